"""Reading waiting deliveries back from their rows: at take-over, after an overflow, and when a retry falls due.

Reads only. What was attempted already, or became a due row, is left out by the database.
"""

from __future__ import annotations

from typing import Any, Protocol

from hub.delivery.items import EVENT_COLUMNS, Event, Item, Parcel, event_of
from hub.delivery.lane import Lane
from hub.eventlog import arrays

PAGE = 500
DUE_PAGE = 200


class Session(Protocol):
    async def execute(
        self, query: Any, params: Any = None, *, prepare: bool | None = None, binary: bool = False
    ) -> Any: ...


# A loose index walk: one probe for each lane that waits, however many parcels it has.
LANES = """
select h.shard, w.sub from unnest(%(shards)b::int2[]) h(shard) cross join lateral (
  with recursive t as (
    (select p.sub from parcel p where p.shard = h.shard order by p.sub limit 1)
    union all
    select (select p.sub from parcel p where p.shard = h.shard and p.sub > t.sub order by p.sub limit 1) from t
    where t.sub is not null)
  select sub from t where sub is not null) w"""

DUE_LANES = """
select h.shard, w.sub, extract(epoch from n.due_at - clock_timestamp())::float8
from unnest(%(shards)b::int2[]) h(shard) cross join lateral (
  with recursive t as (
    (select p.sub from due p where p.shard = h.shard and not p.held order by p.sub limit 1)
    union all
    select (select p.sub from due p where p.shard = h.shard and p.sub > t.sub and not p.held order by p.sub limit 1) from t
    where t.sub is not null)
  select sub from t where sub is not null) w
cross join lateral (select due_at from due d where d.shard = h.shard and d.sub = w.sub and not d.held
                    order by d.due_at limit 1) n"""

SUBJECTS = """
select sub, subject, count(*), bool_or(not held) from due
where shard = any(%(shards)b::int2[]) and subject is not null group by sub, subject"""

PARCELS = f"""
select p.src, p.first_seq, cardinality(p.seqs), {EVENT_COLUMNS}
from (select x.* from unnest(%(srcs)b::int2[], %(floors)b::int8[]) f(src, floor)
      cross join lateral (select * from parcel p where p.shard = %(shard)b and p.sub = %(sub)b and p.src = f.src
                          and p.first_seq > f.floor and p.run = 0 order by p.first_seq limit %(parcels)b) x
      order by x.first_seq limit %(parcels)b) p
left join lateral (
   -- LIMIT 1 keeps each look-up a walk of an index: without statistics the planner would join whole days instead.
   select e.* from unnest(p.seqs) q(seq)
   cross join lateral (select * from event x where x.shard = p.src and x.day = p.day and x.seq = q.seq limit 1) e
   left join lateral (select 1 as found from attempt a where a.sub = p.sub and a.seq = q.seq and a.run = 0 and a.day = p.day
                      limit 1) done on true
   left join lateral (select 1 as found from due d where d.sub = p.sub and d.seq = q.seq and d.run = 0 limit 1) later on true
   where done.found is null and later.found is null) e on true
order by p.first_seq, e.seq"""

DUES = f"""
select u.sub, d.run, d.attempt, d.manual, d.manuals, d.via, extract(epoch from d.planned - clock_timestamp())::float8,
       extract(epoch from d.due_at - clock_timestamp())::float8, {EVENT_COLUMNS}
from unnest(%(shard)b::int2[], %(sub)b::int4[], %(page)b::int4[]) u(shard, sub, page)
cross join lateral (select * from due x where x.shard = u.shard and x.sub = u.sub and not x.held
                    order by x.due_at limit u.page) d
cross join lateral (select * from event x where x.shard = d.src and x.day = d.day and x.seq = d.seq limit 1) e
order by d.due_at"""

BODY = "select data from event where shard = %(src)b and day = %(day)b and seq = %(seq)b"
ALL_SOURCES = list(range(64))


async def parcels(
    session: Session, *, lane: Lane, parcels_at_most: int
) -> tuple[list[tuple[Parcel, list[Event]]], bool]:
    """The next parcels of a lane above its floors, with those of their events that have no end yet; and whether that is all."""
    floors = lane.floors
    cursor = await session.execute(
        PARCELS,
        {
            "srcs": arrays.int2(ALL_SOURCES),
            "floors": arrays.int8([floors.get(src, 0) for src in ALL_SOURCES]),
            "shard": lane.endpoint.shard,
            "sub": lane.endpoint.id,
            "parcels": parcels_at_most,
        },
        prepare=True,
        binary=True,
    )
    found: dict[tuple[int, int], tuple[Parcel, list[Event]]] = {}
    for row in await cursor.fetchall():
        src, first = row[0], row[1]
        entry = found.get((src, first))
        if entry is None:
            entry = found[src, first] = (Parcel(lane.endpoint.id, src, first, 0), [])
        if row[3] is not None:
            entry[1].append(event_of(row[3:]))
    return list(found.values()), len(found) < parcels_at_most


def due_page(lane: Lane) -> int:
    """How many dues of a lane are read at once."""
    return DUE_PAGE + len(lane.due_taken)


async def dues(session: Session, *, lanes: list[Lane], now: float) -> dict[int, list[tuple[float, Item]]]:
    """For each lane, by subscription: its earliest dues as (seconds from now, item), those not yet due included."""
    cursor = await session.execute(
        DUES,
        {
            "shard": arrays.int2([lane.endpoint.shard for lane in lanes]),
            "sub": arrays.int4([lane.endpoint.id for lane in lanes]),
            # What is in memory already stands first in the tables until it is recorded.
            "page": arrays.int4([due_page(lane) for lane in lanes]),
        },
        prepare=True,
        binary=True,
    )
    found: dict[int, list[tuple[float, Item]]] = {lane.endpoint.id: [] for lane in lanes}
    for sub, run, attempt, manual, manuals, via, planned_s, wait_s, *columns in await cursor.fetchall():
        planned = None if planned_s is None else now + planned_s
        item = Item(event_of(tuple(columns)), None, run, attempt, due=True, manual=manual, manuals=manuals,
                    planned=planned, via=via)  # fmt: skip
        found[sub].append((wait_s, item))
    return found


async def body(session: Session, *, event: Event) -> None:
    """Load a large event's data."""
    values = {"src": event.src, "day": event.day, "seq": event.seq}
    row = await (await session.execute(BODY, values, prepare=True, binary=True)).fetchone()
    if row is None:
        raise LookupError(f"event {event.seq} of {event.day} is gone")
    event.data = bytes(row[0])
