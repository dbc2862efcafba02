"""From a request's bytes to events in the log: who sends, what it is, whether it is new. It knows no HTTP server."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import psycopg

from hub.core import ids
from hub.core.problems import ProblemError, overloaded, problem
from hub.eventlog.append import NewEvent
from hub.ingest import cloudevents, parse
from hub.ingest.batcher import Batcher, Refused, Revoked, Unavailable
from hub.ingest.directory import Consumer, Directory, Key
from hub.tenants.limits import retry_after

Headers = Mapping[bytes, bytes]

UNAUTHENTICATED = ProblemError(
    problem(
        "unauthenticated",
        "Send a live API key of this environment as 'Authorization: Bearer tl_…'.",
        headers={"WWW-Authenticate": 'Bearer realm="trunkline"'},
    )
)
IN_FLIGHT = problem(
    "idempotency-in-flight", "The first request with this key has no answer yet; ask again in a moment."
)
MISMATCH = problem(
    "idempotency-mismatch", "This key was used within 24 hours with another body; use a new key."
)
REFUSED = problem(
    "invalid", "The database can't store this event; look for unusual characters in its members."
)
BUSY = overloaded(
    "Events wait for the disk; nothing of this request was stored. Send it again.", retry_after_s=1
)


@dataclass(slots=True)
class Accepted:
    """The answer to one event: its id, and whether an earlier request had brought it."""

    id: bytes
    replayed: bool


class Intake:
    """One for each process; `batcher` and `directory` live as long as it does."""

    def __init__(self, *, most_pending: int) -> None:
        self.directory = Directory()
        self.batcher = Batcher(most_pending=most_pending, recheck=self.directory.recheck)
        self.refused = 0
        self._in_flight: set[tuple[int, bytes]] = set()

    async def authenticate(self, headers: Headers) -> Key:
        """The key of a request that may write events. Raises ProblemError 401, 403 or 503."""
        given = headers.get(b"authorization", b"")
        token = given[7:].strip() if given[:7].lower() == b"bearer " else b""
        if not token:
            raise UNAUTHENTICATED
        key = self.directory.known(token)
        if key is None:
            try:
                key = await self.directory.key(token)
            except psycopg.OperationalError:
                raise ProblemError(BUSY) from None
            if key is None:
                raise UNAUTHENTICATED
        if key.expires_at is not None and key.expires_at <= time.time():
            raise UNAUTHENTICATED
        if not key.may_write:
            raise ProblemError(problem("forbidden", "This key lacks the scope events:write."))
        return key

    def admit(self, key: Key, count: int) -> None:
        """Raises ProblemError 429 (rate) or 503 (too much waits already)."""
        if not (self.batcher.available and self.batcher.has_room(count)):
            raise ProblemError(BUSY)
        wait = key.bucket.take(now=time.monotonic(), count=count)
        if wait:
            raise _limited(wait, f"This key may send {key.bucket.rate:g} events a second.")
        key.used_at = time.time()

    async def prepare(
        self,
        key: Key,
        event: parse.EventIn,
        raw: Any,
        *,
        header_key: str | None,
        trace: str | None,
        extensions: str | None,
    ) -> NewEvent:
        """An event ready to be written; looks up its consumer. Raises ProblemError."""
        shard, consumer = key.shard, key.consumer
        if event.consumer is not None:
            found = await self._consumer(key, event.consumer)
            shard, consumer = found.shard, found.id
            if found.bucket is not None and (wait := found.bucket.take(now=time.monotonic())):
                raise _limited(wait, f"This consumer may be sent {found.bucket.rate:g} events a second.")
        idem, digest = None, None
        if event.idempotency_key is not None or header_key is not None or event.id is not None:
            idem, digest = parse.idempotency(event, header=header_key, raw=raw)
        channels = event.channels
        return NewEvent(
            ids.uuid7(), key.env, shard, event.type, bytes(event.data), consumer, parse.seconds(event.time), event.source,
            event.subject, event.id, tuple(channels) if channels else None, trace, extensions, 0, 0, idem, digest,
        )  # fmt: skip

    async def _consumer(self, key: Key, uid: str) -> Consumer:
        try:
            found = await self.directory.consumer(env=key.env, uid=uid)
        except psycopg.OperationalError:
            raise ProblemError(BUSY) from None
        if found is None or (key.consumer is not None and found.id != key.consumer):
            raise parse.invalid(
                "/consumer", f"there is no consumer {uid!r} in this environment; create it first."
            )
        return found

    async def store(self, key: Key, events: list[NewEvent], size: int) -> list[Accepted | ProblemError]:
        """Write events and wait for the commit. One outcome each, in order; nothing is accepted before it is on disk."""
        outcomes: list[Accepted | ProblemError | None] = [None] * len(events)
        fresh, mine = [], []
        for index, event in enumerate(events):
            if event.key is not None:
                name = (event.env, event.key)
                if name in self._in_flight:
                    outcomes[index] = ProblemError(IN_FLIGHT)
                    continue
                self._in_flight.add(name)
                mine.append(name)
            fresh.append(event)
        try:
            found = await self.batcher.add(fresh, size=size, key=key) if fresh else {}
        except Revoked:
            raise UNAUTHENTICATED from None
        except Unavailable:
            raise ProblemError(BUSY) from None
        except Refused:
            if len(fresh) == 1:
                found, refused = {}, ProblemError(REFUSED)
                return [outcome or refused for outcome in outcomes]
            return await self._one_by_one(key, events, outcomes)
        finally:
            self._in_flight.difference_update(mine)
        for index, event in enumerate(events):
            if outcomes[index] is None:
                first = found.get(event.id) if found else None
                if first is None:
                    outcomes[index] = Accepted(event.id, False)
                else:
                    outcomes[index] = (
                        Accepted(first[1], True) if first[0] == event.hash else ProblemError(MISMATCH)
                    )
        return outcomes  # type: ignore[return-value]

    async def _one_by_one(
        self, key: Key, events: list[NewEvent], outcomes: list[Accepted | ProblemError | None]
    ) -> list[Accepted | ProblemError]:
        # One value the database refuses must not take its neighbours in the same request with it.
        answers = []
        for event, outcome in zip(events, outcomes, strict=True):
            answers.append(outcome or (await self.store(key, [event], len(event.data)))[0])
        return answers

    async def one(self, key: Key, headers: Headers, body: bytes) -> Accepted:
        """`POST /events`: the hub's own form, or a CloudEvent in binary or structured mode."""
        kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        trace, extensions = headers.get(b"traceparent"), None
        if cloudevents.is_binary(headers) or kind == cloudevents.STRUCTURED:
            cloud = (
                cloudevents.structured(body)
                if kind == cloudevents.STRUCTURED
                else cloudevents.binary(headers, body)
            )
            event, extensions = cloud.event, cloud.extensions
            trace = trace or (cloud.traceparent.encode() if cloud.traceparent else None)
        elif kind == b"application/json":
            event = parse.decode_event(body)
        else:
            raise ProblemError(
                problem(
                    "unsupported-media-type",
                    "Send Content-Type: application/json or application/cloudevents+json.",
                )
            )
        header_key = headers.get(b"idempotency-key")
        new = await self.prepare(
            key, event, body, header_key=None if header_key is None else idempotency_key(header_key),
            trace=parse.traceparent(trace), extensions=extensions,
        )  # fmt: skip
        outcome = (await self.store(key, [new], len(body)))[0]
        if isinstance(outcome, ProblemError):
            raise outcome
        return outcome

    async def batch(
        self, key: Key, headers: Headers, items: list[msgspec.Raw], *, cloud: bool
    ) -> list[Accepted | ProblemError]:
        """`POST /events/batch`: each item on its own; a bad one doesn't hold up its neighbours."""
        outer = headers.get(b"idempotency-key")
        prefix = None if outer is None else idempotency_key(outer)
        trace = parse.traceparent(headers.get(b"traceparent"))
        outcomes: list[Accepted | ProblemError | None] = [None] * len(items)
        events, places, size = [], [], 0
        for index, item in enumerate(items):
            header_key = None if prefix is None else f"{prefix}\0{index}"
            try:
                if cloud:
                    found = cloudevents.structured(item)
                    own = parse.traceparent(found.traceparent.encode()) if found.traceparent else trace
                    event, extensions = found.event, found.extensions
                else:
                    event, own, extensions = parse.decode_event(item), trace, None
                new = await self.prepare(
                    key, event, item, header_key=header_key, trace=own, extensions=extensions
                )
            except ProblemError as error:
                outcomes[index] = error
                continue
            events.append(new)
            places.append(index)
            size += len(new.data)
        for place, outcome in zip(places, await self.store(key, events, size) if events else [], strict=True):
            outcomes[place] = outcome
        return outcomes  # type: ignore[return-value]


def _limited(wait: float, detail: str) -> ProblemError:
    return ProblemError(problem("rate-limited", detail, headers={"Retry-After": retry_after(wait)}))


def idempotency_key(value: bytes) -> str:
    """The Idempotency-Key header: 1 to 255 visible ASCII characters, quotes of a structured field removed."""
    text = value.decode("latin-1").strip()
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = text[1:-1]
    if not 1 <= len(text) <= 255 or not text.isascii() or not text.isprintable():
        raise ProblemError(
            problem("bad-request", "Idempotency-Key must be 1 to 255 visible ASCII characters.")
        )
    return text
