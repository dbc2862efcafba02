"""Readers that wait for events on the event loop, without a thread: woken by notifications, and by a look each second.

Two sessions serve all of them, opened for the first that waits and closed when none has for a while. It hands out nothing:
who is woken looks for itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from hub.consumption import statements
from hub.consumption.filtering import Filter
from hub.consumption.watch import Seen, State, Watch
from hub.eventlog import arrays
from hub.eventlog.connect import PLANS, open_session

logger = logging.getLogger(__name__)

MOST: Final = 500
MOST_OF_ONE: Final = 250
TICK_S: Final = 1.0
SPACING_S: Final = 0.01
LINGER_S: Final = 10.0
LOOKED_AT: Final = 1_000

_STATES = f"""
select p.id, f.shard, f.upto, f.day, f.free from unnest(%(positions)b::int4[]) i(id)
join consumption_position p on p.id = i.id cross join lateral (
 select m.shard, m.upto, m.day, {statements.FREE} as free from consumption_mark m where m.position_id = p.id
 union all
 select s.shard, p.origin_seq, p.origin_day, true from ({statements.SHARDS}) s
 where not exists (select from consumption_mark m where m.position_id = p.id and m.shard = s.shard)) f"""
_SEEN = """
select b.shard, e.seq, e.env, e.type, e.consumer, e.channels
from unnest(%(shards)b::int2[], %(offsets)b::int8[], %(days)b::date[]) b(shard, seq, day) cross join lateral (
 select * from event e where e.shard = b.shard and e.seq > b.seq and e.day >= b.day - 1 and e.day <= current_date + 1
 order by e.seq limit %(limit)s) e"""


class TooMany(Exception):
    """As many wait already as may; `own`: of the same environment."""

    def __init__(self, *, own: bool) -> None:
        super().__init__("too many readers wait")
        self.own = own


@dataclass(frozen=True, slots=True)
class Interest:
    """What a reader waits for, after it has looked and found nothing."""

    position: int
    filter: Filter


class Waiting:
    """One a process. Belongs to the loop on which the first reader waited."""

    def __init__(self) -> None:
        self.watch: Watch[asyncio.Future[bool]] = Watch()
        self.closed = False
        self._wake = asyncio.Event()
        self._dirty: set[int] = set()
        self._stale: set[int] = set()
        self._watched: frozenset[int] = frozenset()
        self._work: asyncio.Task[None] | None = None
        self._last = 0.0

    async def wait(self, interest: Interest, *, seconds: float) -> bool:
        """Whether to look again; False when the time is over. Raises TooMany. Cancelled, it leaves nothing behind."""
        if self.closed or seconds <= 0:
            return False
        if len(self.watch) >= MOST:
            raise TooMany(own=False)
        if self.watch.of(interest.filter.env) >= MOST_OF_ONE:
            raise TooMany(own=True)
        loop = asyncio.get_running_loop()
        woken: asyncio.Future[bool] = loop.create_future()
        number = self.watch.add(interest.position, interest.filter, woken)
        self._stale.add(interest.position)
        self._wake.set()
        if self._work is None or self._work.done():
            self._work = loop.create_task(self._serve())
        try:
            async with asyncio.timeout(seconds):
                return await woken
        except TimeoutError:
            return False
        finally:
            self.watch.remove(interest.position, number)
            self._last = loop.time()

    def close(self) -> None:
        """Whoever waits is answered at once: the process is about to end."""
        self.closed = True
        for group in self.watch.groups.values():
            for woken in group.readers.values():
                if not woken.done():
                    woken.set_result(False)
        self._wake.set()

    def _is_needed(self) -> bool:
        """Does anybody wait, or has a little while ago?"""
        if self.closed:
            return False
        return len(self.watch) > 0 or asyncio.get_running_loop().time() - self._last < LINGER_S

    # -- the sessions --------------------------------------------------------------------------------------------

    async def _serve(self) -> None:
        """While it is needed; a lost session is opened anew, with backoff."""
        pause = 0.1
        while self._is_needed():
            failed = True
            try:
                async with (
                    await open_session(name="pages listen") as ears,
                    await open_session(name="pages look", statement_timeout="10s", **PLANS) as eyes,
                    asyncio.TaskGroup() as both,
                ):
                    listening = both.create_task(self._listen(ears))
                    both.create_task(self._look(eyes, listening))
                failed, pause = False, 0.1
            except* psycopg.Error as errors:
                told = str(errors.exceptions[0]).strip()
                logger.warning("waiting readers can't be woken, tried again soon: %s", told)
            except* Exception:
                logger.exception("waking readers failed, tried again soon")
            if failed:
                await asyncio.sleep(pause)
                pause = min(pause * 2, 2.0)

    async def _listen(self, session: psycopg.AsyncConnection[Any]) -> None:
        for channel in ("hub_events", "hub_positions"):
            await session.execute(f"listen {channel}", prepare=False)
        # What came before this was told to nobody.
        self._stale |= self.watch.groups.keys()
        self._wake.set()
        async for note in session.notifies():
            told = {int(word) for word in note.payload.split(",") if word}
            if note.channel == "hub_events":
                self._dirty |= told & self._watched
            else:
                self._stale |= told & self.watch.groups.keys()
            if self._stale or self._dirty:
                self._wake.set()

    async def _look(self, session: psycopg.AsyncConnection[Any], listening: asyncio.Task[None]) -> None:
        loop = asyncio.get_running_loop()
        ticked = loop.time()
        while self._is_needed():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, ticked + TICK_S - loop.time())):
                    await self._wake.wait()
            self._wake.clear()
            begun = loop.time()
            everything = begun - ticked >= TICK_S
            if everything:
                ticked = begun
                self._stale |= self.watch.groups.keys()
            await self._once(session, everything=everything)
            if (pause := SPACING_S - (loop.time() - begun)) > 0:
                await asyncio.sleep(pause)
        listening.cancel()

    async def _once(self, session: psycopg.AsyncConnection[Any], *, everything: bool) -> None:
        stale, self._stale = self._stale & self.watch.groups.keys(), set()
        dirty, self._dirty = self._dirty, set()
        if stale:
            found = await session.execute(
                _STATES, {"positions": arrays.int4(sorted(stale))}, prepare=True, binary=True
            )
            self.watch.told([State(*row) for row in await found.fetchall()])
            for position in stale:
                group = self.watch.groups.get(position)
                dirty |= group.places.keys() if group is not None else set()
        self._watched = self.watch.shards()
        bounds = self.watch.bounds(None if everything else frozenset(dirty))
        if bounds:
            values = {
                "shards": arrays.int2([shard for shard, *_ in bounds]),
                "offsets": arrays.int8([offset for _, offset, _ in bounds]),
                "days": arrays.dates([day for *_, day in bounds]),
                "limit": LOOKED_AT,
            }
            rows = await (await session.execute(_SEEN, values, prepare=True, binary=True)).fetchall()
            events = [Seen(*row) for row in rows]
            self.watch.saw(events)
            if len(events) >= LOOKED_AT:
                self._dirty |= {event.shard for event in events}
                self._wake.set()
        for woken in self.watch.wake(now=asyncio.get_running_loop().time()):
            if not woken.done():
                woken.set_result(True)
