"""Ids of handled deliveries in Redis or Valkey, through redis-py. It shares no transaction with another system.

What Redis loses, it forgets here too: an id that was evicted, or written in the last second before a crash or a
fail-over (`appendfsync everysec`, asynchronous replicas), lets its delivery act again. Use `noeviction` and AOF.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import RedisError, WatchError

from trunkline_consumer.delivery import Delivery
from trunkline_consumer.errors import WebhookError

__all__ = ["Busy", "Once"]

DAY_S = 86_400
_RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"
_DONE = "done "


class Busy(WebhookError):
    """Another process has this delivery in hand, or died with it. Answer 503: it comes again after the lease."""


class Once:
    """Make one when the program starts. Its keys are `<prefix><webhook-id>`; a prefix has none of `*?[]`.

    `keep_s`: how long an id is remembered; deliveries live 14 days at most, those requeued by hand longer.
    `lease_s`: longer than any work takes. Cluster: `transaction` needs all its keys in the slot of the id's.
    """

    def __init__(
        self,
        client: Redis,
        *,
        lease_s: int = 60,
        keep_s: int = 30 * DAY_S,
        prefix: str = "trunkline:handled:",
    ) -> None:
        self._client, self._lease_s, self._keep_s, self._prefix = client, lease_s, keep_s, prefix

    @contextmanager
    def __call__(self, delivery: Delivery) -> Iterator[bool]:
        """`with once(delivery) as first:` do the work `if first`. An exception gives the delivery back. Raises Busy.

        For work in other systems, and weaker than a transaction: it is done AT LEAST once. It is done again if the
        process dies, or Redis can't be reached, after the work and before the mark that it is done; if it takes
        longer than the lease; or if Redis loses the id. It is never left undone: until the mark, repeats get Busy.
        """
        key, mine = self._prefix + delivery.id, uuid.uuid4().hex
        if not self._claim(key, mine):
            yield False
            return
        try:
            yield True
        except BaseException:
            # If Redis can't be reached either, the lease gives it back.
            with suppress(RedisError):
                self._client.eval(_RELEASE, 1, key, mine)
            raise
        # Whoever holds the key now: the work is done, and that must not be forgotten when another one fails.
        self._client.set(key, _done(), ex=self._keep_s)

    def _claim(self, key: str, mine: str) -> bool:
        """Whether it is ours to do; False if it was done. Raises Busy."""
        if self._client.set(key, mine, nx=True, ex=self._lease_s):
            return True
        held = _text(self._client.get(key))
        if held is not None and held.startswith(_DONE):
            return False
        if held == mine:
            # The client sent it twice around a lost connection.
            return True
        raise Busy("this delivery is in the hands of another process")

    @contextmanager
    def transaction(self, delivery: Delivery) -> Iterator[Pipeline | None]:
        """`with once.transaction(delivery) as commands:` queue the work in `commands`, unless that is None. Raises Busy.

        For work that is Redis commands: they and the id go in one MULTI/EXEC, watched, so they take effect exactly
        once, or not at all if an exception leaves the block. Commands only queue: read before, through another client.
        Redis rolls nothing back: a command that it refuses in EXEC (wrong type) fails alone; the error is raised, and
        the rest stays done.
        """
        key = self._prefix + delivery.id
        with self._client.pipeline(transaction=True) as commands:
            commands.watch(key)  # type: ignore[no-untyped-call]
            if self._handled(commands, key):
                yield None
                return
            commands.multi()
            commands.set(key, _done(), ex=self._keep_s)
            yield commands
            try:
                commands.execute()
            except WatchError:
                # Another one was first; or the connection broke, and nobody knows whether EXEC arrived.
                if not self._handled(self._client, key):
                    raise Busy("it is not known yet whether this delivery was handled") from None

    def _handled(self, client: Redis | Pipeline, key: str) -> bool:
        held = _text(client.get(key))
        if held is not None and not held.startswith(_DONE):
            raise Busy("this delivery is in the hands of another process")
        return held is not None

    def trim(self, *, days: int = 30) -> int:
        """Forget ids older than that; returns how many. Redis does so by itself after `keep_s`: this is for less."""
        oldest, trimmed = time.time() - days * DAY_S, 0
        for key in self._client.scan_iter(match=f"{self._prefix}*", count=1000):
            held = _text(self._client.get(key))
            if held is not None and held.startswith(_DONE) and int(held[len(_DONE) :]) < oldest:
                trimmed += self._client.delete(key)  # type: ignore[operator]
        return trimmed


def _done() -> str:
    return f"{_DONE}{int(time.time())}"


def _text(value: Any) -> str | None:
    return value.decode() if isinstance(value, bytes) else value
