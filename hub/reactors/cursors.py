"""The cursors of reactors as rows that are only added: the last one counts, and none can be written twice.

Old steps are dropped now and then, by whoever writes new ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hub.eventlog import arrays
from hub.reactors.reactor import Session

KEPT: Final = 64

LOAD = """
select h.shard, coalesce(l.step, 0), coalesce(l.pos, 0) from unnest(%(shards)b::int2[]) h(shard) left join lateral (
  select step, pos from reactor_step r where r.name = %(name)s and r.shard = h.shard order by step desc limit 1) l on true"""
ADVANCE = """
insert into reactor_step (name, shard, step, prev, pos)
select %(name)s, s, st, p, u from unnest(%(shard)b::int2[], %(step)b::int8[], %(prev)b::int8[], %(pos)b::int8[]) x(s, st, p, u)"""
TRIM = """
delete from reactor_step r using unnest(%(shard)b::int2[], %(step)b::int8[]) x(s, st)
where r.name = %(name)s and r.shard = x.s and r.step < x.st"""
SKIP = """
insert into reactor_skipped (name, shard, pos, part, error)
select %(name)s, s, p, n, e from unnest(%(shard)b::int2[], %(pos)b::int8[], %(part)b::int4[], %(error)b::text[]) x(s, p, n, e)
on conflict do nothing"""


@dataclass(frozen=True, slots=True)
class Cursor:
    step: int
    pos: int


@dataclass(frozen=True, slots=True)
class Skipped:
    """A fact that made the fold raise. `part`: which one of several at its position."""

    shard: int
    pos: int
    part: int
    error: str


async def load(session: Session, *, name: str, shards: Sequence[int]) -> dict[int, Cursor]:
    """The cursors of these shards."""
    found = await session.execute(
        LOAD, {"name": name, "shards": arrays.int2(shards)}, prepare=True, binary=True
    )
    return {shard: Cursor(step, pos) for shard, step, pos in await found.fetchall()}


async def advance(
    session: Session, *, name: str, cursors: Mapping[int, Cursor], upto: Mapping[int, int]
) -> dict[int, Cursor]:
    """The next step of each shard in `upto`. Raises psycopg.errors.UniqueViolation where another wrote it first."""
    moves = [(shard, cursors[shard], pos) for shard, pos in upto.items()]
    await session.execute(
        ADVANCE,
        {
            "name": name,
            "shard": arrays.int2([shard for shard, *_ in moves]),
            "step": arrays.int8([cursor.step + 1 for _, cursor, _ in moves]),
            "prev": arrays.int8([cursor.pos for _, cursor, _ in moves]),
            "pos": arrays.int8([pos for *_, pos in moves]),
        },
        prepare=True,
    )
    old = [(shard, cursor.step) for shard, cursor, _ in moves if cursor.step % KEPT == 0]
    if old:
        await session.execute(
            TRIM,
            {
                "name": name,
                "shard": arrays.int2([s for s, _ in old]),
                "step": arrays.int8([t for _, t in old]),
            },
            prepare=True,
        )
    return {shard: Cursor(cursor.step + 1, pos) for shard, cursor, pos in moves}


async def skip(session: Session, *, name: str, skipped: Sequence[Skipped]) -> None:
    """Note facts that could not be folded."""
    await session.execute(
        SKIP,
        {
            "name": name,
            "shard": arrays.int2([s.shard for s in skipped]),
            "pos": arrays.int8([s.pos for s in skipped]),
            "part": arrays.int4([s.part for s in skipped]),
            "error": arrays.text([s.error for s in skipped]),
        },
        prepare=True,
    )
