"""What the owner holds in memory of events, parcels and deliveries on their way. Values only; nobody else's process sees them."""

from __future__ import annotations

from datetime import date

from hub.core import ids
from hub.eventlog import envelope


class Event:
    """An event of the log as deliveries need it. `data` None: larger than INLINE_BYTES, loaded when it is sent."""

    __slots__ = (
        "_body", "_head", "_id", "consumer", "created", "data", "day", "depth", "env", "extensions", "id", "origin",
        "seq", "size", "source", "src", "subject", "time", "trace", "type", "weight",
    )  # fmt: skip

    def __init__(
        self, day: date, src: int, seq: int, id: bytes, env: int, consumer: int | None, origin: int, depth: int, size: int,
        created: float, time: float | None, type: str, source: str | None, subject: str | None, trace: str | None,
        extensions: str | None, data: bytes | None,
    ) -> None:  # fmt: skip
        self.day, self.src, self.seq, self.id, self.env, self.consumer = day, src, seq, id, env, consumer
        self.origin, self.depth, self.size, self.created, self.time, self.type = (
            origin,
            depth,
            size,
            created,
            time,
            type,
        )
        self.source, self.subject, self.trace, self.extensions, self.data = (
            source,
            subject,
            trace,
            extensions,
            data,
        )
        # What it costs while it waits: a large one's data is loaded only when it is sent.
        self.weight = size if data is not None else 256
        self._body: bytes | None = None
        self._id: str | None = None
        self._head: tuple[str, bytes] | None = None

    def _text(self) -> str:
        if self._id is None:
            self._id = ids.encode("evt", self.id)
        return self._id

    def body(self) -> bytes:
        """The envelope, made once for all subscriptions; `data` must be there."""
        if self._body is None:
            assert self.data is not None
            self._body = envelope.body(
                text_id=self._text(), type=self.type, timestamp=self.created if self.time is None else self.time, data=self.data,
                source=self.source, subject=self.subject, extensions=self.extensions,
            )  # fmt: skip
        return self._body

    def head(self) -> tuple[str, bytes]:
        """(start of the message id, the traceparent header line), the same for all subscriptions."""
        if self._head is None:
            trace = self.trace or f"00-{self.id.hex()}-{self.id[8:].hex()}-00"
            self._head = "msg_" + self._text()[4:], f"traceparent: {trace}\r\n".encode()
        return self._head

    def drop_body(self) -> None:
        """Forget a large body after a send; it is loaded again for the next."""
        if self.size > INLINE_BYTES:
            self.data = self._body = None


INLINE_BYTES = 16_384
EVENT_COLUMNS = (
    "e.day, e.shard, e.seq, e.id, e.env, e.consumer, e.origin, e.depth, e.size,"
    " extract(epoch from e.created_at)::float8, extract(epoch from e.time)::float8, e.type, e.source,"
    f" e.subject, e.trace, e.extensions, case when e.size <= {INLINE_BYTES} then e.data end"
)


def event_of(row: tuple[object, ...]) -> Event:
    """From a row of EVENT_COLUMNS (psycopg gives a uuid.UUID)."""
    values = list(row)
    values[3] = values[3].bytes  # type: ignore[attr-defined]
    return Event(*values)  # type: ignore[arg-type]


class Parcel:
    """A parcel row that is (partly) in memory. `taken`: what is queued, in flight or ended; `left`: what has no end yet."""

    __slots__ = ("first", "left", "src", "sub", "taken")

    def __init__(self, sub: int, src: int, first: int, left: int) -> None:
        self.sub, self.src, self.first, self.left = sub, src, first, left
        self.taken: set[int] | None = None

    @property
    def key(self) -> tuple[int, int]:
        return self.src, self.first


class Item:
    """One delivery on its way: (event, subscription, run), and the attempts made so far (`manuals` of them by hand).

    `planned`: for a retry by hand, the loop's time at which the automatic one was due.
    """

    __slots__ = ("attempts", "due", "epoch", "event", "manual", "manuals", "parcel", "planned", "run", "via")

    def __init__(
        self, event: Event, parcel: Parcel | None, run: int = 0, attempts: int = 0, *, due: bool = False,
        manual: bool = False, manuals: int = 0, planned: float | None = None, via: int = 0,
    ) -> None:  # fmt: skip
        self.event, self.parcel, self.run, self.attempts = event, parcel, run, attempts
        self.due, self.manual, self.manuals, self.via = due, manual, manuals, via
        self.planned = planned
        self.epoch = 0


class Outcome:
    """What is to be recorded of one delivery: an attempt (or an end without one), and a due row or none."""

    __slots__ = (
        "answer", "at", "attempted", "body", "connect_us", "detail", "digest", "dns_us", "finish", "first_us", "headers",
        "http", "item", "reason", "request", "size", "sub", "tls_us", "total_us", "truncated", "version", "wait_s",
    )  # fmt: skip

    def __init__(self, sub: int, item: Item, at: float, version: int, reason: int, finish: int) -> None:
        self.sub, self.item, self.at, self.version, self.reason, self.finish = (
            sub,
            item,
            at,
            version,
            reason,
            finish,
        )
        self.attempted = True
        self.http = self.size = 0
        self.dns_us = self.connect_us = self.tls_us = self.first_us = self.total_us = 0
        self.wait_s: float | None = None
        self.digest: bytes | None = None
        self.answer: bytes | None = None
        self.detail: str | None = None
        self.request: bytes | None = None
        self.headers = self.body = b""
        self.truncated = False
