"""Which subscriptions an event goes to: an index of one environment's, and an explanation for people.

It never evaluates a filter and reads no database: its owner feeds it, again when something changed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from hub.subscriptions.patterns import asking_for, matches

CACHE_SIZE: Final = 4096


@dataclass(frozen=True, slots=True)
class Sub:
    """What matching needs of a subscription. `active`: is it routed to? A paused one is, a disabled one not.

    `consumer` None = the environment's own. Empty `channels` = takes every event, whatever its channels.
    """

    id: int
    shard: int
    consumer: int | None
    patterns: tuple[str, ...]
    channels: frozenset[str] = frozenset()
    active: bool = True


@dataclass(frozen=True, slots=True)
class Condition:
    """One line of an explanation; the subscription matches if every condition is `ok`."""

    name: str
    wanted: str
    found: str
    ok: bool


class _Bucket:
    """Who of one consumer asks for one pattern, by channel, so that no other channel's are walked."""

    __slots__ = ("anywhere", "by_channel")

    def __init__(self) -> None:
        self.anywhere: dict[int, Sub] = {}
        self.by_channel: dict[str, dict[int, Sub]] = {}


class Matcher:
    """For one environment. A look-up costs by what matches and the type's depth, not by who else subscribed.

    Not for several threads: its owner's loop alone touches it.
    """

    __slots__ = ("_cache", "_cache_size", "_scopes", "_subs")

    def __init__(self, subs: Iterable[Sub] = (), *, cache_size: int = CACHE_SIZE) -> None:
        self._subs: dict[int, Sub] = {}
        self._scopes: dict[int | None, dict[str, _Bucket]] = {}
        self._cache: dict[tuple[str, int | None, frozenset[str] | None], tuple[Sub, ...]] = {}
        self._cache_size = cache_size
        for sub in subs:
            self.add(sub)

    def __len__(self) -> int:
        return len(self._subs)

    def __contains__(self, sub_id: int) -> bool:
        return sub_id in self._subs

    def match(
        self, *, type: str, consumer: int | None, channels: frozenset[str] | None = None
    ) -> tuple[Sub, ...]:
        """Every subscription the event goes to, once each, in the order of their ids.

        An event for a consumer reaches its subscriptions and the environment's own; one for nobody only
        the latter.
        """
        key = (type, consumer, channels)
        found = self._cache.get(key)
        if found is None:
            found = self._look_up(type, consumer, channels or ())
            if len(self._cache) >= self._cache_size:
                # Cheaper than keeping an order of use on every hit, and as good: what is hot is back at once.
                self._cache.clear()
            self._cache[key] = found
        return found

    def add(self, sub: Sub) -> None:
        """ValueError if its id is there already: `replace` it."""
        if sub.id in self._subs:
            raise ValueError(f"subscription {sub.id} is there already; replace it")
        self._subs[sub.id] = sub
        self._cache.clear()
        if not sub.active or not sub.patterns:
            return
        buckets = self._scopes.setdefault(sub.consumer, {})
        for pattern in sub.patterns:
            bucket = buckets.setdefault(pattern, _Bucket())
            if not sub.channels:
                bucket.anywhere[sub.id] = sub
            for channel in sub.channels:
                bucket.by_channel.setdefault(channel, {})[sub.id] = sub

    def remove(self, sub_id: int) -> None:
        """KeyError if there is none with this id."""
        sub = self._subs.pop(sub_id)
        self._cache.clear()
        if not sub.active or not sub.patterns:
            return
        buckets = self._scopes[sub.consumer]
        # A set, since one pattern may be listed twice.
        for pattern in set(sub.patterns):
            bucket = buckets[pattern]
            bucket.anywhere.pop(sub_id, None)
            for channel in sub.channels:
                del bucket.by_channel[channel][sub_id]
                if not bucket.by_channel[channel]:
                    del bucket.by_channel[channel]
            if not bucket.anywhere and not bucket.by_channel:
                del buckets[pattern]
        if not buckets:
            del self._scopes[sub.consumer]

    def replace(self, sub: Sub) -> None:
        """Add it, in place of the one with its id if there is one."""
        if sub.id in self._subs:
            self.remove(sub.id)
        self.add(sub)

    def _look_up(self, type: str, consumer: int | None, channels: Collection[str]) -> tuple[Sub, ...]:
        found: dict[int, Sub] = {}
        patterns = asking_for(type)
        for scope in (None,) if consumer is None else (None, consumer):
            buckets = self._scopes.get(scope)
            if buckets is None:
                continue
            for pattern in patterns:
                bucket = buckets.get(pattern)
                if bucket is None:
                    continue
                found.update(bucket.anywhere)
                for channel in channels:
                    found.update(bucket.by_channel.get(channel, {}))
        return tuple(found[sub_id] for sub_id in sorted(found))


def explain(
    sub: Sub, *, type: str, consumer: int | None, channels: frozenset[str] | None = None
) -> list[Condition]:
    """Why the subscription does or does not get this event, condition by condition, all of them."""
    shared = sub.channels & (channels or frozenset())
    return [
        Condition("state", "active or paused", "active or paused" if sub.active else "disabled", sub.active),
        Condition(
            "consumer",
            "any" if sub.consumer is None else str(sub.consumer),
            "none" if consumer is None else str(consumer),
            sub.consumer is None or sub.consumer == consumer,
        ),
        Condition(
            "type",
            " or ".join(sub.patterns) or "nothing",
            type,
            any(matches(pattern, type) for pattern in sub.patterns),
        ),
        Condition(
            "channels",
            " or ".join(sorted(sub.channels)) or "any",
            ", ".join(sorted(channels or ())) or "none",
            not sub.channels or bool(shared),
        ),
    ]
