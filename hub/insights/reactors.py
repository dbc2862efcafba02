"""The reactors that count: attempts into deliveries' cells, routed events into events' cells. They never decide anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from hub.eventlog import arrays
from hub.insights import runs
from hub.insights.cells import Cell
from hub.insights.entities import Entities
from hub.insights.folds import DELIVERIES, EVENTS, Attempt, Group, Routed, fold_attempt, fold_event
from hub.insights.keeping import Keeper
from hub.insights.runs import RunCounts, RunKey, fold_run
from hub.reactors.reactor import Fact, Session
from hub.routing.hosting import Owner

ATTEMPTS: Final = """
select a.shard, a.pos, a.env, a.sub, a.run, a.n, extract(epoch from a.at)::float8, a.reason, a.finish, a.total_us, a.size,
       a.digest is not null, s.consumer_id, e.type, e.size, extract(epoch from e.created_at)::float8
from unnest(%(shard)b::int2[], %(after)b::int8[], %(upto)b::int8[]) c(shard, after, upto)
cross join lateral (select * from attempt x where x.shard = c.shard and x.pos > c.after and x.pos <= c.upto order by x.pos) a
left join event e on e.shard = a.src and e.seq = a.seq and e.day = a.day
left join subscriptions_subscription s on s.id = a.sub"""
# Two appends around midnight may commit in either order of days.
ROUTED: Final = """
select r.shard, r.step, e.env, e.consumer, e.type, e.size, extract(epoch from e.created_at)::float8, e.seq = any(r.unmatched)
from unnest(%(shard)b::int2[], %(after)b::int8[], %(upto)b::int8[]) c(shard, after, upto)
cross join lateral (select * from routed x where x.shard = c.shard and x.step > c.after and x.step <= c.upto order by x.step) r
left join event e on e.shard = r.shard and e.seq > r.prev and e.seq <= r.upto
  and e.day between r.upto_day - 1 and r.upto_day + 1"""


async def _read(session: Session, sql: str, ranges: Mapping[int, tuple[int, int]]) -> list[tuple[Any, ...]]:
    found = await session.execute(
        sql,
        {
            "shard": arrays.int2(list(ranges)),
            "after": arrays.int8([after for after, _ in ranges.values()]),
            "upto": arrays.int8([upto for _, upto in ranges.values()]),
        },
        prepare=True,
        binary=True,
    )
    rows: list[tuple[Any, ...]] = await found.fetchall()
    return rows


class Deliveries:
    """Attempts, by their positions."""

    name = "deliveries"
    most = 2000
    clear = """with r as (delete from insight_runs where shard = %(shard)s)
        delete from insight_deliveries where shard = %(shard)s and at >= %(since)s"""

    def __init__(self) -> None:
        self._keeper = Keeper(DELIVERIES)
        self._groups: dict[Group, Cell] = {}
        self._runs: dict[RunKey, RunCounts] = {}

    def heads(self, owner: Owner) -> Mapping[int, int]:
        return owner.attempts_upto()

    async def read(self, session: Session, ranges: Mapping[int, tuple[int, int]]) -> list[Fact]:
        return list(await _read(session, ATTEMPTS, ranges))

    def fold(self, fact: Fact) -> None:
        attempt = Attempt(*fact)
        fold_attempt(self._groups, attempt)
        if attempt.run:
            fold_run(self._runs, attempt)

    async def write(self, session: Session) -> None:
        await self._keeper.write(session, self._groups)
        if self._runs:
            await runs.add(session, self._runs)

    def settle(self) -> None:
        self._groups, self._runs = {}, {}

    def forget(self) -> None:
        self.settle()
        self._keeper.forget()


class Events:
    """Routed events, by the router's steps."""

    name = "events"
    most = 32
    clear = "delete from insight_events where shard = %(shard)s and at >= %(since)s"

    def __init__(self) -> None:
        self._keeper = Keeper(EVENTS)
        self._groups: dict[Group, Cell] = {}

    def heads(self, owner: Owner) -> Mapping[int, int]:
        return owner.routed_upto()

    async def read(self, session: Session, ranges: Mapping[int, tuple[int, int]]) -> list[Fact]:
        return list(await _read(session, ROUTED, ranges))

    def fold(self, fact: Fact) -> None:
        # A step that only carried the cursor to another day has no event.
        if fact[2] is not None:
            fold_event(self._groups, Routed(*fact))

    async def write(self, session: Session) -> None:
        if self._groups:
            await self._keeper.write(session, self._groups)

    def settle(self) -> None:
        self._groups = {}

    def forget(self) -> None:
        self._groups = {}
        self._keeper.forget()


ALL: Final = (Deliveries, Events, Entities)
