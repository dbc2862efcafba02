"""Deliveries by their last attempt, the latest first: a walk down one index of the attempts of an environment.

It judges `window` attempts at a time at most, and says where to go on. What was never tried has no attempt and is not found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from hub.delivery.selectors.facts import Last
from hub.delivery.selectors.gathering import LAST, last_of
from hub.eventlog.selectors import Conditions, fetch
from hub.tenants.scoping import Scope

_ORDER: Final = "ORDER BY a.at DESC, a.sub DESC, a.pos DESC"
# Not an anti-join: that might be planned as one over whole days.
_IS_LAST: Final = """LEFT JOIN LATERAL (SELECT 1 AS x FROM attempt b WHERE a.finish = 0 AND b.sub = a.sub AND b.seq = a.seq
 AND b.run = a.run AND b.day = a.day AND b.day <= %s AND (b.n, b.pos) > (a.n, a.pos) LIMIT 1) later ON true"""
_EVENT: Final = """JOIN LATERAL (SELECT 1 FROM event e WHERE e.shard = a.src AND e.seq = a.seq AND e.day = a.day AND e.day <= %s AND {} LIMIT 1)
 fitting ON true"""

_CAPTURED: Final = """JOIN LATERAL (SELECT 1 FROM capture c WHERE c.sub = a.sub AND c.seq = a.seq AND c.run = a.run AND c.day <= %s
 AND c.day BETWEEN a.day - 1 AND (a.at AT TIME ZONE 'UTC')::date + 1 LIMIT 1) kept ON true"""


@dataclass(frozen=True, slots=True)
class Index:
    """One way down. `where`: the condition of a partial index, word by word. `column`: what the index begins with, if not
    with the environment alone: "reason" or "sub", with the `values` to look up in it.
    """

    where: str = "true"
    column: str = ""
    values: Sequence[int] = ()


EVERY: Final = Index()
FAILED: Final = Index("a.reason <> 0")
DEAD: Final = Index("a.finish = 2")
ENDED: Final = Index("a.finish > 2")
CUT_OFF: Final = "a.http <> 0 AND a.reason IN (8, 9, 10, 11)"
"""After a status was read: of few attempts, and apart from them that reason and status would be looked for together."""
REPEATED: Final = Index("a.n > 1")
SLOW: Final = Index("a.total_us > 250000")
CUT_SHORT: Final = "a.reason <> 0 AND a.finish = 0"
"""Of a subscription that was deleted: it waited for a retry then."""

Position = tuple[datetime, int, int]
"""(at, subscription, pos) of an attempt."""


@dataclass(frozen=True, slots=True)
class Tried:
    """A delivery whose last attempt this is."""

    sub: int
    seq: int
    run: int
    src: int
    day: date
    last: Last

    @property
    def position(self) -> Position:
        return self.last.at, self.sub, self.last.pos


def walk(
    *,
    scope: Scope,
    indexes: Sequence[Index],
    rest: Conditions,
    event: Conditions,
    since: datetime | None,
    before: datetime | None,
    below: Position | None,
    window: int,
    newest: date,
    captured: bool = False,
) -> tuple[list[Tried], Position | None]:
    """Those of the next `window` attempts that are last ones and answer to `rest` (on `a`) and `event` (on `e`); and where
    to go on, None at the end. Their subscriptions are not yet known to be the scope's.

    `newest`: the last day that events may be of. `captured`: only deliveries of which something was kept.
    """
    bounds = Conditions()
    # The days ahead have no rows, and only cost the planner its time.
    bounds.add("a.day <= %s", newest)
    if since is not None:
        bounds.add("a.at >= %s", since)
    if before is not None:
        # An attempt is never made before its event.
        bounds.add("a.at < %s AND a.day <= %s::date + 1", before, before)
    if below is not None:
        bounds.add("a.at <= %s", below[0])
        bounds.add("(a.at, a.sub, a.pos) < (%s, %s, %s)", *below)
    parts, values = [], []
    for index in indexes:
        sql, given = _part(scope, index, bounds, window)
        parts.append(f"({sql})")
        values += given
    joins, given = [_IS_LAST], [newest]
    if captured:
        joins.append(_CAPTURED)
        given.append(newest)
    if event.parts:
        joins.append(_EVENT.format(event))
        given += [newest, *event.values]
    sql = f"""
        WITH w AS MATERIALIZED (
          SELECT a.* FROM ({" UNION ALL ".join(parts)}) a {_ORDER} LIMIT {window})
        SELECT m.looked, stop.*, r.* FROM (SELECT count(*) FROM w) m(looked)
        LEFT JOIN (SELECT at, sub, pos FROM w ORDER BY at, sub, pos LIMIT 1) stop(stop_at, stop_sub, stop_pos) ON true
        LEFT JOIN (SELECT a.sub, a.seq, a.run, a.src, a.day, {LAST} FROM w a {" ".join(joins)} WHERE later.x IS NULL AND {rest}) r ON true
        ORDER BY r.at DESC, r.sub DESC, r.pos DESC"""
    found = fetch(sql, [*values, *given, *rest.values])
    looked, *stop = found[0][:4]
    return [_tried(row[4:]) for row in found if row[4] is not None], tuple(stop) if looked == window else None


def _part(scope: Scope, index: Index, bounds: Conditions, window: int) -> tuple[str, list[Any]]:
    tail = f"{_ORDER} LIMIT {window}"
    one = f"SELECT a.* FROM attempt a WHERE a.env = %s AND {index.where} AND {bounds}"
    values = [scope.environment_id, *bounds.values]
    if not index.column:
        return f"{one} {tail}", values
    return (
        f"""SELECT a.* FROM unnest(%s::int4[]) v(x) CROSS JOIN LATERAL ({one} AND a.{index.column} = v.x {tail}) a {tail}""",
        [list(index.values), *values],
    )


def _tried(row: tuple[Any, ...]) -> Tried:
    sub, seq, run, src, day, *last = row
    return Tried(sub, seq, run, src, day, last_of(last))
