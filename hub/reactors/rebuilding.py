"""Folding anew: a reactor's rows are dropped and its cursor goes back, shard by shard; whoever owns the shard folds it again.

It survives a crash of anybody, since nothing of it is in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from django.db import connection, transaction

from hub.reactors.reactor import Rebuildable

SHARDS: Final = 64
# A step that another writes in the same moment is written once only; then the reset is tried again.
TRIES: Final = 50

_LAST = """
select coalesce(l.step, 0), coalesce(l.pos, 0) from (select) x left join lateral (
  select step, pos from reactor_step where name = %(name)s and shard = %(shard)s order by step desc limit 1) l on true"""
_BACK = """
insert into reactor_step (name, shard, step, prev, pos) values (%(name)s, %(shard)s, %(step)s, %(prev)s, 0)
on conflict do nothing"""
# What was folded from days that are no longer kept can't be folded again, so it stays.
_SINCE = """
select coalesce(min(to_date(right(c.relname, 8), 'YYYYMMDD')), current_date)
from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = 'event'::regclass"""
_UNSKIP = "delete from reactor_skipped where name = %(name)s and shard = %(shard)s"


@dataclass(frozen=True, slots=True)
class Reset:
    """`folded`: the position up to which the shard had been folded."""

    reactor: str
    shard: int
    folded: int


class Contended(RuntimeError):
    """Another writes this shard's cursor faster than it can be put back; stop the engines, or try again."""


def reset(reactor: Rebuildable, *, shards: Sequence[int] = range(SHARDS)) -> Iterator[Reset]:
    """Drop the reactor's rows and put its cursors back, one shard a transaction. Raises Contended."""
    for shard in shards:
        folded = _reset(reactor, shard)
        if folded:
            yield Reset(reactor.name, shard, folded)


def _reset(reactor: Rebuildable, shard: int) -> int:
    values = {"name": reactor.name, "shard": shard}
    for _ in range(TRIES):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_LAST, values)
            step, pos = cursor.fetchone()
            if not pos:
                return 0
            # First the step: from here on its owner can't write another cell until this is committed.
            cursor.execute(_BACK, {**values, "step": step + 1, "prev": pos})
            if cursor.rowcount:
                cursor.execute(_SINCE)
                (since,) = cursor.fetchone()
                cursor.execute(reactor.clear, {**values, "since": since})
                cursor.execute(_UNSKIP, values)
                return int(pos)
    raise Contended(f"shard {shard} of {reactor.name} is folded faster than it can be reset; try again")


def behind(targets: Mapping[tuple[str, int], int]) -> int:
    """Positions that are still to be folded until each (reactor, shard) is as far as it was."""
    if not targets:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            """select u.name, u.shard, coalesce((select pos from reactor_step r where r.name = u.name and r.shard = u.shard
                 order by step desc limit 1), 0)
               from unnest(%s::text[], %s::int2[]) u(name, shard)""",
            [[name for name, _ in targets], [shard for _, shard in targets]],
        )
        rows = cursor.fetchall()
    return sum(max(targets[name, shard] - pos, 0) for name, shard, pos in rows)
