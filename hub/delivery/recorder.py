"""Recording outcomes, hundreds in one statement: attempts, captures, parcels that are done, dues that come or go.

It writes through the session that owns the shards and no other; it decides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Protocol

from hub.delivery.items import Item, Outcome, Parcel
from hub.delivery.states import NOT_FINAL
from hub.eventlog import arrays


class Session(Protocol):
    async def execute(
        self, query: Any, params: Any = None, *, prepare: bool | None = None, binary: bool = False
    ) -> Any: ...


_ATTEMPT = """
a as (insert into attempt (day, shard, pos, env, sub, seq, run, src, event_id, n, at, version, http, reason, finish, manual,
        next_at, dns_us, connect_us, tls_us, first_us, total_us, size, digest, answer, detail)
      select d, sh, p, e, su, s, r, sr, i, n, at, v, h, re, f, m, at + w * interval '1 second', nullif(t1, 0), nullif(t2, 0),
             nullif(t3, 0), t4, t5, z, dg, an, de
      from unnest(%(day)b::date[], %(shard)b::int2[], %(pos)b::int8[], %(env)b::int4[], %(sub)b::int4[], %(seq)b::int8[],
        %(run)b::int4[], %(src)b::int2[], %(event_id)b::uuid[], %(n)b::int2[], %(at)b::timestamptz[], %(version)b::int4[],
        %(http)b::int2[], %(reason)b::int2[], %(finish)b::int2[], %(manual)b::bool[], %(wait)b::float8[], %(dns)b::int4[],
        %(connect)b::int4[], %(tls)b::int4[], %(first)b::int4[], %(total)b::int4[], %(size)b::int4[], %(digest)b::bytea[],
        %(answer)b::bytea[], %(detail)b::text[])
        u(d, sh, p, e, su, s, r, sr, i, n, at, v, h, re, f, m, w, t1, t2, t3, t4, t5, z, dg, an, de))"""
_PARCELS = """
p as (delete from parcel x using unnest(%(p_shard)b::int2[], %(p_sub)b::int4[], %(p_src)b::int2[], %(p_first)b::int8[])
        u(shard, sub, src, first)
      where x.shard = u.shard and x.sub = u.sub and x.src = u.src and x.first_seq = u.first and x.run = 0)"""
_CAPTURES = """
c as (insert into capture (day, sub, seq, run, n, request, headers, body, truncated)
      select current_date, su, s, r, n, rq, he, bo, tr
      from unnest(%(c_sub)b::int4[], %(c_seq)b::int8[], %(c_run)b::int4[], %(c_n)b::int2[], %(c_request)b::bytea[],
        %(c_headers)b::bytea[], %(c_body)b::bytea[], %(c_truncated)b::bool[]) u(su, s, r, n, rq, he, bo, tr))"""
_GONE = """
x as (delete from due d using unnest(%(x_sub)b::int4[], %(x_seq)b::int8[], %(x_run)b::int4[]) u(sub, seq, run)
      where d.sub = u.sub and d.seq = u.seq and d.run = u.run)"""
_DUE = """
d as (insert into due (shard, sub, seq, run, src, day, due_at, attempt, manuals, via, held, subject)
      select sh, su, s, r, sr, d, clock_timestamp() + w * interval '1 second', n, mn, v, h, sj
      from unnest(%(d_shard)b::int2[], %(d_sub)b::int4[], %(d_seq)b::int8[], %(d_run)b::int4[], %(d_src)b::int2[],
        %(d_day)b::date[], %(d_wait)b::float8[], %(d_n)b::int2[], %(d_manuals)b::int2[], %(d_via)b::int2[], %(d_held)b::bool[], %(d_subject)b::int8[])
        u(sh, su, s, r, sr, d, w, n, mn, v, h, sj)
      on conflict on constraint due_once do update
        set due_at = excluded.due_at, attempt = excluded.attempt, manuals = excluded.manuals, manual = false, planned = null, held = excluded.held)"""
RELEASE = """
update due set held = false, due_at = clock_timestamp() from (
  select distinct on (u.sub, u.subject) d.sub, d.seq, d.run from unnest(%(shard)b::int2[], %(sub)b::int4[], %(subject)b::int8[])
    u(shard, sub, subject)
  join lateral (select sub, seq, run from due x where x.shard = u.shard and x.sub = u.sub and x.subject = u.subject and x.held
                order by x.seq limit 1) d on true) f
where due.sub = f.sub and due.seq = f.seq and due.run = f.run and due.held"""

POSITIONS = """
select h.shard, coalesce((select a.pos from attempt a where a.shard = h.shard order by a.pos desc limit 1), 0) + 1
from unnest(%(shards)b::int2[]) h(shard)"""

_STATEMENTS: dict[tuple[bool, ...], str] = {}


def _statement(*flags: bool) -> str:
    # One text for each combination of parts, each prepared once: most batches are attempts and parcels alone.
    text = _STATEMENTS.get(flags)
    if text is None:
        parts = [
            part
            for part, used in zip((_ATTEMPT, _PARCELS, _CAPTURES, _GONE, _DUE), flags, strict=True)
            if used
        ]
        text = _STATEMENTS[flags] = f"with {','.join(parts)} select 1"
    return text


class Positions:
    """The next `pos` of each owned shard."""

    def __init__(self) -> None:
        self.next: dict[int, int] = {}

    async def load(self, session: Session, shards: list[int]) -> None:
        """Go on where the last owner of these shards stopped."""
        rows = await session.execute(POSITIONS, {"shards": arrays.int2(shards)}, binary=True)
        self.next.update(await rows.fetchall())

    def take(self, shard: int) -> int:
        value = self.next[shard]
        self.next[shard] = value + 1
        return value


def subject_hash(item: Item) -> int | None:
    """A stable 63-bit hash of the subject; ordered subscriptions only."""
    subject = item.event.subject
    return (
        None
        if subject is None
        else int.from_bytes(blake2b(subject.encode(), digest_size=8).digest(), "big") >> 1
    )


async def record(
    session: Session,
    *,
    outcomes: Sequence[Outcome],
    shards: dict[int, int],
    positions: Positions,
    done: Sequence[Parcel],
    ordered: frozenset[int] | set[int],
) -> None:
    """Write outcomes in one statement. `shards`: of each subscription; `done`: parcels of which nothing is left.

    Raises psycopg.Error; then nothing was written, or it is unknown: the session must not be used again.
    """
    attempts = [o for o in outcomes if o.attempted]
    captures = [o for o in outcomes if o.request is not None]
    dues = [o for o in outcomes if o.wait_s is not None]
    gone = [o for o in outcomes if o.wait_s is None and o.item.due]
    values: dict[str, Any] = {}
    if attempts:
        values |= _attempts(attempts, shards, positions)
    if done:
        values |= {
            "p_shard": arrays.int2([shards[p.sub] for p in done]),
            "p_sub": arrays.int4([p.sub for p in done]),
            "p_src": arrays.int2([p.src for p in done]),
            "p_first": arrays.int8([p.first for p in done]),
        }
    if captures:
        values |= _captures(captures)
    if gone:
        values |= {
            "x_sub": arrays.int4([o.sub for o in gone]),
            "x_seq": arrays.int8([o.item.event.seq for o in gone]),
            "x_run": arrays.int4([o.item.run for o in gone]),
        }
    if dues:
        values |= _dues(dues, shards, ordered)
    flags = (bool(attempts), bool(done), bool(captures), bool(gone), bool(dues))
    if any(flags):
        await session.execute(_statement(*flags), values, prepare=True, binary=True)


def _attempts(outcomes: Sequence[Outcome], shards: dict[int, int], positions: Positions) -> dict[str, Any]:
    items = [o.item for o in outcomes]
    events = [item.event for item in items]
    owners = [shards[o.sub] for o in outcomes]
    return {
        "day": arrays.dates([e.day for e in events]),
        "shard": arrays.int2(owners),
        "pos": arrays.int8([positions.take(shard) for shard in owners]),
        "env": arrays.int4([e.env for e in events]),
        "sub": arrays.int4([o.sub for o in outcomes]),
        "seq": arrays.int8([e.seq for e in events]),
        "run": arrays.int4([i.run for i in items]),
        "src": arrays.int2([e.src for e in events]),
        "event_id": arrays.uuid([e.id for e in events]),
        "n": arrays.int2([i.attempts for i in items]),
        "at": arrays.stamps([o.at for o in outcomes]),
        "version": arrays.int4([o.version for o in outcomes]),
        "http": arrays.int2([o.http for o in outcomes]),
        "reason": arrays.int2([o.reason for o in outcomes]),
        "finish": arrays.int2([o.finish for o in outcomes]),
        "manual": arrays.bools([i.manual for i in items]),
        "wait": arrays.floats([o.wait_s for o in outcomes]),
        "dns": arrays.int4([o.dns_us for o in outcomes]),
        "connect": arrays.int4([o.connect_us for o in outcomes]),
        "tls": arrays.int4([o.tls_us for o in outcomes]),
        "first": arrays.int4([o.first_us for o in outcomes]),
        "total": arrays.int4([o.total_us for o in outcomes]),
        "size": arrays.int4([min(o.size, 2**31 - 1) for o in outcomes]),
        "digest": arrays.bytea([o.digest for o in outcomes]),
        "answer": arrays.bytea([o.answer for o in outcomes]),
        "detail": arrays.text([o.detail for o in outcomes]),
    }


def _captures(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    return {
        "c_sub": arrays.int4([o.sub for o in outcomes]),
        "c_seq": arrays.int8([o.item.event.seq for o in outcomes]),
        "c_run": arrays.int4([o.item.run for o in outcomes]),
        "c_n": arrays.int2([o.item.attempts for o in outcomes]),
        "c_request": arrays.bytea([o.request for o in outcomes]),
        "c_headers": arrays.bytea([o.headers for o in outcomes]),
        "c_body": arrays.bytea([o.body for o in outcomes]),
        "c_truncated": arrays.bools([o.truncated for o in outcomes]),
    }


def _dues(
    outcomes: Sequence[Outcome], shards: dict[int, int], ordered: frozenset[int] | set[int]
) -> dict[str, Any]:
    items = [o.item for o in outcomes]
    return {
        "d_shard": arrays.int2([shards[o.sub] for o in outcomes]),
        "d_sub": arrays.int4([o.sub for o in outcomes]),
        "d_seq": arrays.int8([i.event.seq for i in items]),
        "d_run": arrays.int4([i.run for i in items]),
        "d_src": arrays.int2([i.event.src for i in items]),
        "d_day": arrays.dates([i.event.day for i in items]),
        "d_wait": arrays.floats([o.wait_s for o in outcomes]),
        "d_n": arrays.int2([i.attempts for i in items]),
        "d_manuals": arrays.int2([i.manuals for i in items]),
        "d_via": arrays.int2([i.via for i in items]),
        "d_held": arrays.bools([not o.attempted and o.finish == NOT_FINAL for o in outcomes]),
        "d_subject": arrays.int8(
            [subject_hash(o.item) if o.sub in ordered and not o.item.run else None for o in outcomes]
        ),
    }
