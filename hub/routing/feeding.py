"""Filling lanes from their rows: at take-over, after an overflow, when retries fall due. Reads on a session of its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

import psycopg

from hub.delivery import breaker as circuit
from hub.delivery import readback
from hub.delivery.dispatch import Dispatcher
from hub.delivery.items import Event, Item
from hub.delivery.lane import MOST_ITEMS, NEVER, Lane, Subject
from hub.eventlog import arrays
from hub.eventlog.connect import PLANS, open_session
from hub.routing.fence import Fence
from hub.routing.roster import Roster

logger = logging.getLogger(__name__)

BREAKERS = """
select u.sub, f.state, extract(epoch from f.at)::float8, extract(epoch from f.until)::float8, f.streak,
       extract(epoch from f.failing_since)::float8
from unnest(%(sub)b::int4[]) u(sub)
cross join lateral (select * from breaker_fact b where b.sub = u.sub order by b.id desc limit 1) f
where f.state <> 'closed'"""
TROUBLED = "select distinct sub from breaker_fact"


AGAIN_S = 1.0


class Feeder:
    """Two loops over the lanes that asked for rows; each lane is read by one of them at a time."""

    def __init__(self, *, fence: Fence, roster: Roster) -> None:
        self.dispatcher: Dispatcher
        self._fence, self._roster = fence, roster
        self._rows: dict[int, Lane] = {}
        self._dues: dict[int, Lane] = {}
        self._rows_wanted, self._dues_wanted = asyncio.Event(), asyncio.Event()
        self._page: dict[int, int] = {}
        self._session: psycopg.AsyncConnection[Any] | None = None
        self._lock = asyncio.Lock()
        self._loop = asyncio.get_running_loop()

    def wants_rows(self, lane: Lane) -> None:
        self._rows[lane.endpoint.id] = lane
        self._rows_wanted.set()

    def wants_dues(self, lane: Lane) -> None:
        self._dues[lane.endpoint.id] = lane
        self._dues_wanted.set()

    @contextlib.asynccontextmanager
    async def _reader(self) -> Any:
        async with self._lock:
            if self._session is None:
                self._session = await open_session(name="engine reader", statement_timeout="20s", **PLANS)
            try:
                yield self._session
            except BaseException:
                session, self._session = self._session, None
                with contextlib.suppress(psycopg.Error):
                    await session.close()
                raise

    async def load(self, event: Event) -> None:
        """A large event's data, for its send."""
        async with self._reader() as session:
            await readback.body(session, event=event)

    async def take_over(self, shards: list[int]) -> None:
        """Lanes of newly owned shards: who waits, who retries and when, which breakers are open. No delivery is read yet."""
        ready = arrays.int2(shards)
        dispatcher, now, wall = self.dispatcher, self._loop.time(), self._fence.now()
        async with self._reader() as session:
            waiting = await (await session.execute(readback.LANES, {"shards": ready}, binary=True)).fetchall()
            dues = await (
                await session.execute(readback.DUE_LANES, {"shards": ready}, binary=True)
            ).fetchall()
            subjects = await (
                await session.execute(readback.SUBJECTS, {"shards": ready}, binary=True)
            ).fetchall()
            mine = [e.id for e in self._roster.endpoints.values() if e.shard in set(shards)]
            facts = await (
                await session.execute(BREAKERS, {"sub": arrays.int4(mine)}, binary=True)
            ).fetchall()
        touched = set()
        for _, sub in waiting:
            if (lane := self._lane(sub)) is not None:
                lane.leave()
                touched.add(sub)
        for _, sub, wait_s in dues:
            if (lane := self._lane(sub)) is not None:
                lane.next_due = now + wait_s
                touched.add(sub)
        for sub, subject, rows, live in subjects:
            if (lane := self._lane(sub)) is not None and lane.endpoint.ordering == "subject":
                known = lane.subjects[subject] = Subject()
                known.rows = rows
                if not live:
                    # Its open delivery ended, but the next was not released before the owner died.
                    dispatcher.release(sub, subject)
        for sub, state, at, until, streak, failing in facts:
            if (lane := self._lane(sub)) is not None:
                lane.breaker = circuit.restore(
                    phase=circuit.Phase(state),
                    since=at - wall + now,
                    until=(until or wall) - wall + now,
                    streak=streak,
                    now=now,
                )
                lane.failing_since = None if failing is None else failing - wall + now
        for sub in touched:
            lane = dispatcher.lanes[sub]
            dispatcher.feed(lane)
            dispatcher.pump(lane)

    def _lane(self, sub: int) -> Lane | None:
        endpoint = self._roster.endpoints.get(sub)
        return None if endpoint is None else self.dispatcher.lane(endpoint)

    async def rows_forever(self) -> None:
        while True:
            await self._rows_wanted.wait()
            self._rows_wanted.clear()
            while self._rows:
                _, lane = self._rows.popitem()
                if lane.wants_more() and self.dispatcher.lanes.get(lane.endpoint.id) is lane:
                    try:
                        await self._read_parcels(lane)
                    except psycopg.Error as error:
                        # Reading is no ownership: the rows are read again, and nothing that is under way is dropped.
                        logger.warning("waiting deliveries could not be read: %s", str(error).strip())
                        self._loop.call_later(AGAIN_S, self.wants_rows, lane)

    async def _read_parcels(self, lane: Lane) -> None:
        lane.refilling, generation = True, lane.generation
        lane.ended.clear()
        page = 1 if lane.breaker.phase is circuit.Phase.open else self._page.get(lane.endpoint.id, 20)
        try:
            async with self._reader() as session:
                found, everything = await readback.parcels(session, lane=lane, parcels_at_most=page)
        finally:
            lane.refilling = False
        self.dispatcher.tally.readbacks += 1
        count = 0
        for parcel, events in found:
            if parcel.key in lane.ended:
                self._passed(lane, parcel.key)
                continue
            known = lane.live.get(parcel.key)
            if known is not None:
                taken = known.taken or set()
                fresh = [event for event in events if event.seq not in taken]
                known.taken = taken | {event.seq for event in fresh}
                parcel = known
            else:
                fresh = events
                parcel.left = len(events)
                parcel.taken = {event.seq for event in events}
                if not events:
                    # Every delivery of it has an end: only the row was left behind.
                    self._passed(lane, parcel.key)
                    self.dispatcher.done.append(parcel)
                    self.dispatcher.recordable.set()
                    continue
            count += len(fresh)
            lane.push([Item(event, parcel) for event in fresh], parcel)
        if found and page > 1:
            self._page[lane.endpoint.id] = max(4, min(MOST_ITEMS // 4, page * 500 // max(count, 1)))
        if everything and lane.generation == generation:
            lane.backlog = False
        self.dispatcher.feed(lane)
        self.dispatcher.pump(lane)

    @staticmethod
    def _passed(lane: Lane, key: tuple[int, int]) -> None:
        src, first = key
        if first > lane.floors.get(src, 0):
            lane.floors[src] = first

    async def dues_forever(self) -> None:
        while True:
            await self._dues_wanted.wait()
            self._dues_wanted.clear()
            while self._dues:
                lanes = [lane for lane in list(self._dues.values())[:50]]
                asked = {}
                for lane in lanes:
                    del self._dues[lane.endpoint.id]
                    asked[lane.endpoint.id] = readback.due_page(lane)
                    lane.begin_loading()
                try:
                    async with self._reader() as session:
                        found = await readback.dues(session, lanes=lanes, now=self._loop.time())
                except psycopg.Error as error:
                    logger.warning("due deliveries could not be read: %s", str(error).strip())
                    for lane in lanes:
                        self._loop.call_later(AGAIN_S, self.wants_dues, lane)
                    continue
                finally:
                    for lane in lanes:
                        lane.due_loading = False
                for lane in lanes:
                    self._queue_dues(lane, found[lane.endpoint.id], asked[lane.endpoint.id])

    def _queue_dues(self, lane: Lane, found: list[tuple[float, Item]], asked: int) -> None:
        now = self._loop.time()
        later, fresh = NEVER, 0
        for wait_s, item in found:
            key = (item.event.seq, item.run)
            if key in lane.due_taken or key in lane.due_ended:
                continue
            if wait_s > 0.05:
                later = now + wait_s
                break
            lane.due_taken.add(key)
            fresh += 1
            (lane.replays if item.run else lane.retries).append(item)
        if later == NEVER and len(found) >= asked:
            # The page was full of what is due: read on as soon as there is room; later, if there was nothing new in it.
            later = now if fresh else now + 0.2
        lane.loaded(later)
        self.dispatcher.feed(lane)
        self.dispatcher.pump(lane)

    async def close(self) -> None:
        if self._session is not None:
            with contextlib.suppress(psycopg.Error):
                await self._session.close()
