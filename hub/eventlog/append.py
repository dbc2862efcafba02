"""Appending to the log: one statement for a batch, all or nothing, in commit order for each shard.

The advisory locks of the batch's shards are held before the first sequence number is drawn and until the commit, so
within a shard a lower number never becomes visible after a higher one. It never decides who may append.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from hub.eventlog import arrays

ORIGIN_API = 0
ORIGIN_HUB = 1


@dataclass(slots=True)
class NewEvent:
    """An event on its way into the log. `id` 16 bytes; `data` JSON as it is to be delivered; `time` seconds since 1970."""

    id: bytes
    env: int
    shard: int
    type: str
    data: bytes
    consumer: int | None = None
    time: float | None = None
    source: str | None = None
    subject: str | None = None
    client_id: str | None = None
    channels: tuple[str, ...] | None = None
    trace: str | None = None
    extensions: str | None = None
    origin: int = ORIGIN_API
    depth: int = 0
    key: bytes | None = None
    hash: bytes | None = None


class Session(Protocol):
    async def execute(
        self, query: Any, params: Any = None, *, prepare: bool | None = None, binary: bool = False
    ) -> Any: ...


_COLUMNS = """(day, shard, seq, id, env, consumer, origin, depth, size, created_at, time, type, source, subject,
 client_id, channels, trace, extensions, data)"""
_SELECT = """
 select current_date, s, nextval('event_seq'), i, e, c, o, dp, length(d), clock_timestamp(), tm, t, so, su, ci,
        string_to_array(ch, ','), tr, ex, d
 from unnest(%(shard)b::int2[], %(id)b::uuid[], %(env)b::int4[], %(consumer)b::int4[], %(origin)b::int2[],
             %(depth)b::int2[], %(time)b::timestamptz[], %(type)b::text[], %(source)b::text[], %(subject)b::text[],
             %(client_id)b::text[], %(channels)b::text[], %(trace)b::text[], %(extensions)b::text[], %(data)b::bytea[]"""
_NAMES = "u(s, i, e, c, o, dp, tm, t, so, su, ci, ch, tr, ex, d"
_HELD = "where (select count(*) from locked) > 0"
_ROWS = f"{_SELECT}) {_NAMES}) {_HELD}"
_LOCKED = "locked as materialized (select pg_advisory_xact_lock(7, h) from unnest(%(locks)b::int4[]) h)"
_KEYS_GENERATION = "coalesce((select value from tenants_generation where name = 'keys'), 0)"

PLAIN = f"""
with {_LOCKED},
 g as materialized (select {_KEYS_GENERATION} as value),
 e as (insert into event {_COLUMNS} {_ROWS} and (select value from g) = %(generation)b returning 1)
select (select value from g), (select count(*) from e), null::uuid[]"""

KEYED = f"""
with {_LOCKED},
 g as materialized (select {_KEYS_GENERATION} as value),
 k as (insert into idempotency (env, key, hash, event_id)
       select e, k, h, i from unnest(%(key_env)b::int4[], %(key)b::bytea[], %(hash)b::bytea[], %(key_id)b::uuid[]) u(e, k, h, i)
       where (select count(*) from locked) > 0 and (select value from g) = %(generation)b
       on conflict do nothing returning event_id),
 e as (insert into event {_COLUMNS} {_SELECT}, %(keyed)b::bool[]) {_NAMES}, keyed) {_HELD}
       and (select value from g) = %(generation)b and (not keyed or i in (select event_id from k)) returning 1)
select (select value from g), (select count(*) from e), (select array_agg(event_id) from k)"""

INTERNAL = f"with {_LOCKED} insert into event {_COLUMNS} {_ROWS}"

WINNERS = """select u.i, k.hash, k.event_id, k.at
from unnest(%(env)b::int4[], %(key)b::bytea[], %(id)b::uuid[]) u(e, k, i)
join idempotency k on k.env = u.e and k.key = u.k"""


def _sparse(values: list[Any]) -> list[Any]:
    # unnest pads a shorter array with NULLs: a column nobody uses costs nothing.
    return [] if all(value is None for value in values) else values


def parameters(events: Sequence[NewEvent]) -> dict[str, Any]:
    """The arrays of a batch. Source of the order of locks: ascending, so that two appenders can't deadlock."""
    origins = [e.origin for e in events]
    return {
        "locks": arrays.int4(sorted({e.shard for e in events})),
        "shard": arrays.int2([e.shard for e in events]),
        "id": arrays.uuid([e.id for e in events]),
        "env": arrays.int4([e.env for e in events]),
        "consumer": arrays.int4(_sparse([e.consumer for e in events])),
        "origin": arrays.int2(origins),
        "depth": arrays.int2([e.depth for e in events]),
        "time": arrays.stamps(_sparse([e.time for e in events])),
        "type": arrays.text([e.type for e in events]),
        "source": arrays.text(_sparse([e.source for e in events])),
        "subject": arrays.text(_sparse([e.subject for e in events])),
        "client_id": arrays.text(_sparse([e.client_id for e in events])),
        "channels": arrays.text(
            _sparse([None if e.channels is None else ",".join(e.channels) for e in events])
        ),
        "trace": arrays.text(_sparse([e.trace for e in events])),
        "extensions": arrays.text(_sparse([e.extensions for e in events])),
        "data": arrays.bytea([e.data for e in events]),
    }


async def append(
    session: Session, *, events: Sequence[NewEvent], generation: int
) -> tuple[int, set[bytes] | None]:
    """Append a batch in one commit. Returns (generation of the keys, ids of keyed events that were duplicates).

    Another generation than the one given: nothing was written, and who may append must be looked up again; the second
    value is None then. Raises psycopg.Error; after an OperationalError it is unknown whether the batch was written.
    """
    values = parameters(events) | {"generation": generation}
    keyed = [e for e in events if e.key is not None]
    if keyed:
        values |= {
            "key_env": arrays.int4([e.env for e in keyed]),
            "key": arrays.bytea([e.key for e in keyed]),
            "hash": arrays.bytea([e.hash for e in keyed]),
            "key_id": arrays.uuid([e.id for e in keyed]),
            "keyed": arrays.bools([e.key is not None for e in events]),
        }
    cursor = await session.execute(KEYED if keyed else PLAIN, values, prepare=True, binary=True)
    now, count, fresh = await cursor.fetchone()
    if now != generation:
        return now, None
    taken = {e.id for e in keyed} - {u.bytes for u in fresh or ()}
    if count != len(events) - len(taken):
        raise RuntimeError(f"{len(events)} events with {len(taken)} duplicates made {count} rows")
    return now, taken


async def winners(session: Session, *, events: Sequence[NewEvent]) -> dict[bytes, tuple[bytes, bytes]]:
    """For duplicates: id of the loser → (body hash, event id) of the first. A new statement, so that it sees the winner."""
    values = {
        "env": arrays.int4([e.env for e in events]),
        "key": arrays.bytea([e.key for e in events]),
        "id": arrays.uuid([e.id for e in events]),
    }
    cursor = await session.execute(WINNERS, values, prepare=True, binary=True)
    return {loser.bytes: (bytes(digest), first.bytes) for loser, digest, first, _ in await cursor.fetchall()}


async def append_internal(session: Session, *, events: Sequence[NewEvent]) -> None:
    """Append the hub's own events inside the caller's transaction; no key is checked."""
    await session.execute(INTERNAL, parameters(events), prepare=True, binary=True)
