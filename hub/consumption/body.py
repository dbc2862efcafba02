"""An event as a read gives it: the envelope that deliveries carry, with where it lies. Pure; data is joined in, never parsed."""

from __future__ import annotations

from collections.abc import Iterable

from hub.consumption.plan import Row
from hub.core import ids
from hub.eventlog import envelope


def event(row: Row) -> bytes:
    """`shard`, `offset` and, if it is addressed to one, `consumer`; then the members of the envelope."""
    assert row.data is not None
    head = f'{{"shard":{row.shard},"offset":{row.seq},'
    if row.consumer is not None:
        head += f'"consumer":"{row.consumer}",'
    body = envelope.body(
        text_id=ids.encode("evt", row.id.bytes), type=row.type, timestamp=row.at, data=row.data, source=row.source,
        subject=row.subject, extensions=row.extensions,
    )  # fmt: skip
    return head.encode() + body[1:]


def events(rows: Iterable[Row]) -> bytes:
    """A JSON array of them."""
    return b"[" + b",".join(map(event, rows)) + b"]"
