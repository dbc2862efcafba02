"""Events become deliveries: read past the cursors, match, and write parcels with the cursors' next step in one statement.

The step is unique for each shard, so even a router that lost its shard without knowing can't write one twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Protocol

from hub.delivery.items import EVENT_COLUMNS, Event, event_of
from hub.eventlog import arrays
from hub.routing.matching import Sub
from hub.routing.roster import Roster

READ_AT_MOST = 500


class Session(Protocol):
    async def execute(
        self, query: Any, params: Any = None, *, prepare: bool | None = None, binary: bool = False
    ) -> Any: ...


READ = f"""
select g.value, current_date, e.* from (select coalesce((select value from tenants_generation where name = 'subscriptions'), 0)) g(value)
left join lateral (
  select {EVENT_COLUMNS}, e.channels from unnest(%(shard)b::int2[], %(cursor)b::int8[], %(since)b::date[]) c(shard, cursor, since)
  cross join lateral (select * from event x where x.shard = c.shard and x.seq > c.cursor and x.day >= c.since
                      and x.day <= current_date + 1 order by x.seq limit %(limit)b) e) e on true"""

WRITE = """
with r as (insert into routed (day, shard, step, prev, upto, upto_day, generation, events, pairs, unmatched)
  select current_date, s, st, p, u, ud, %(generation)b, ev, pa, string_to_array(un, ',')::int8[]
  from unnest(%(r_shard)b::int2[], %(r_step)b::int8[], %(r_prev)b::int8[], %(r_upto)b::int8[], %(r_day)b::date[],
              %(r_events)b::int4[], %(r_pairs)b::int4[], %(r_unmatched)b::text[]) x(s, st, p, u, ud, ev, pa, un) returning 1)
insert into parcel (shard, sub, src, first_seq, day, seqs)
select s, su, sr, f, d, string_to_array(q, ',')::int8[]
from unnest(%(shard)b::int2[], %(sub)b::int4[], %(src)b::int2[], %(first)b::int8[], %(day)b::date[], %(seqs)b::text[])
  x(s, su, sr, f, d, q)"""

CURSORS = """
select h.shard, l.step, l.upto, l.upto_day, l.day from unnest(%(shards)b::int2[]) h(shard) left join lateral (
  select step, upto, upto_day, day from routed r where r.shard = h.shard order by r.step desc limit 1) l on true"""


@dataclass(slots=True)
class Cursor:
    """How far a shard is routed. `day`: of the last routed row, so that one is written every day."""

    step: int
    upto: int
    upto_day: date
    day: date


@dataclass(slots=True)
class Share:
    """A parcel to be: what one subscription gets of one shard's batch on one day."""

    sub: Sub
    events: list[Event]


class Router:
    """Knows the cursors of the owned shards."""

    def __init__(self, roster: Roster) -> None:
        self.roster = roster
        self.cursors: dict[int, Cursor] = {}

    async def take(self, session: Session, shards: list[int]) -> None:
        """Read the cursors of newly owned shards."""
        rows = await session.execute(CURSORS, {"shards": arrays.int2(shards)}, prepare=True, binary=True)
        for shard, step, upto, upto_day, day in await rows.fetchall():
            beginning = date(2000, 1, 1)
            self.cursors[shard] = (
                Cursor(0, 0, beginning, beginning) if step is None else Cursor(step, upto, upto_day, day)
            )

    async def read(
        self, session: Session, shards: list[int]
    ) -> tuple[int, date, dict[int, list[tuple[Event, list[str] | None]]]]:
        """(generation of subscriptions, today, new events of each shard with their channels), all of one snapshot."""
        cursors = [self.cursors[shard] for shard in shards]
        found = await session.execute(
            READ,
            {
                "shard": arrays.int2(shards),
                "cursor": arrays.int8([c.upto for c in cursors]),
                # Two appends around midnight may commit in either order of days, but never of numbers.
                "since": arrays.dates([c.upto_day - timedelta(days=1) for c in cursors]),
                "limit": READ_AT_MOST,
            },
            prepare=True,
            binary=True,
        )
        rows = await found.fetchall()
        events: dict[int, list[tuple[Event, list[str] | None]]] = {}
        for row in rows:
            if row[2] is not None:
                event = event_of(row[2:-1])
                events.setdefault(event.src, []).append((event, row[-1]))
        return rows[0][0], rows[0][1], events

    def match(
        self, events: dict[int, list[tuple[Event, list[str] | None]]]
    ) -> tuple[list[Share], dict[int, list[int]], dict[int, int]]:
        """(shares, unmatched seqs by shard, pairs by shard)."""
        shares: dict[tuple[int, int, date], Share] = {}
        unmatched: dict[int, list[int]] = {}
        pairs: dict[int, int] = {}
        match = self.roster.match
        for shard, batch in events.items():
            count = 0
            for event, channels in batch:
                subs = match(env=event.env, type=event.type, consumer=event.consumer, channels=channels)
                if not subs:
                    unmatched.setdefault(shard, []).append(event.seq)
                    continue
                count += len(subs)
                for sub in subs:
                    key = (shard, sub.id, event.day)
                    share = shares.get(key)
                    if share is None:
                        shares[key] = Share(sub, [event])
                    else:
                        share.events.append(event)
            pairs[shard] = count
        return list(shares.values()), unmatched, pairs

    async def write(
        self, session: Session, *, today: date, events: dict[int, list[tuple[Event, list[str] | None]]], shares: list[Share],
        unmatched: dict[int, list[int]], pairs: dict[int, int],
    ) -> None:  # fmt: skip
        """Parcels and cursors together. Raises psycopg.Error: then this session owns nothing any more."""
        steps = []
        for shard, batch in events.items():
            last = batch[-1][0]
            steps.append((shard, self.cursors[shard], last.seq, last.day, len(batch)))
        # An idle shard's cursor is written anew each day, so that it outlives the partitions of the days before.
        carried = [
            (s, c, c.upto, c.upto_day, 0)
            for s, c in self.cursors.items()
            if s not in events and c.step and c.day < today
        ]
        await self._write(session, steps + carried, shares, unmatched, pairs)
        for shard, cursor, upto, upto_day, _ in steps + carried:
            self.cursors[shard] = Cursor(cursor.step + 1, upto, upto_day, today)

    async def _write(
        self, session: Session, steps: list[tuple[int, Cursor, int, date, int]], shares: list[Share],
        unmatched: dict[int, list[int]], pairs: dict[int, int],
    ) -> None:  # fmt: skip
        if not steps:
            return
        values = {
            "generation": self.roster.generation,
            "r_shard": arrays.int2([s for s, *_ in steps]),
            "r_step": arrays.int8([c.step + 1 for _, c, *_ in steps]),
            "r_prev": arrays.int8([c.upto for _, c, *_ in steps]),
            "r_upto": arrays.int8([upto for _, _, upto, *_ in steps]),
            "r_day": arrays.dates([day for _, _, _, day, _ in steps]),
            "r_events": arrays.int4([count for *_, count in steps]),
            "r_pairs": arrays.int4([pairs.get(s, 0) for s, *_ in steps]),
            "r_unmatched": arrays.text([",".join(map(str, unmatched.get(s, ()))) for s, *_ in steps]),
            "shard": arrays.int2([share.sub.shard for share in shares]),
            "sub": arrays.int4([share.sub.id for share in shares]),
            "src": arrays.int2([share.events[0].src for share in shares]),
            "first": arrays.int8([share.events[0].seq for share in shares]),
            "day": arrays.dates([share.events[0].day for share in shares]),
            "seqs": arrays.text([",".join([str(event.seq) for event in share.events]) for share in shares]),
        }
        await session.execute(WRITE, values, prepare=True, binary=True)
