"""One term of ownership: everything that lives and dies with one session. Lost sessions end it; a new term starts from the tables."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

from hub.core.http.sender import Sender
from hub.core.http.tokens import Tokens
from hub.delivery.detours import Detours
from hub.delivery.dispatch import Dispatcher
from hub.delivery.endpoint import Endpoint
from hub.delivery.notices import Notice
from hub.delivery.sending import Sending
from hub.delivery.tally import Tally
from hub.eventlog import append as log
from hub.routing import endings, ownership
from hub.routing.applying import Applier
from hub.routing.feeding import Feeder
from hub.routing.fence import Fence
from hub.routing.handover import give_up, hand_over
from hub.routing.hosting import Companion, Limits
from hub.routing.lag import LagWatch
from hub.routing.records import Records
from hub.routing.roster import Roster
from hub.routing.router import READ_AT_MOST, Router

logger = logging.getLogger(__name__)

SPACING_S = 0.005
# While the sends at hand fill half of what may go out at once, a delivery made sooner would only wait in memory.
BUSY_SPACING_S = 0.025
RECORD_EVERY_S = 0.015
POLL_S = 1.0
SURVEY_S = 1.0
HANDOVER_PATIENCE_S = 4.0
CLEANUP_ROUNDS = 30


class Term:
    """Owns shards from `run()` until the session is lost or `stop` is set."""

    def __init__(
        self, *, fence: Fence, sender: Sender, tokens: Tokens, detours: Detours, limits: Limits, tally: Tally, number: int,
        companions: Sequence[Companion] = (),
    ) -> None:  # fmt: skip
        self.fence, self.tally, self.number, self._companions = fence, tally, number, companions
        self.owned: set[int] = set()
        self.roster = Roster(self._changed, paused=limits.paused)
        self.router = Router(self.roster)
        self.feeder = Feeder(fence=fence, roster=self.roster)
        self.dispatcher = Dispatcher(
            fence=fence, budget=limits.budget, tally=tally, wants_rows=self.feeder.wants_rows,
            wants_dues=self.feeder.wants_dues,
            sending=Sending(
                fence=fence, sender=sender, tokens=tokens, detours=detours, tally=tally, load=self.feeder.load,
                capture_bytes=limits.capture_bytes, allow_http=limits.allow_http,
            ),
        )  # fmt: skip
        self.feeder.dispatcher = self.dispatcher
        self.records = Records(dispatcher=self.dispatcher, fence=fence, dirty=self.mark)
        self.applier = Applier(
            fence=fence, dispatcher=self.dispatcher, roster=self.roster, positions=self.records.positions
        )
        self.lag = LagWatch()
        self._dirty: set[int] = set()
        self._dirty_wake = asyncio.Event()
        self._commands_wake = asyncio.Event()
        self._stale = False
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._routing = asyncio.Lock()
        self._cleanup = True

    # -- what others tell it -------------------------------------------------------------------------------------

    def mark(self, shards: set[int]) -> None:
        """There are new events in these shards."""
        mine = shards & self.owned
        if mine:
            self._dirty |= mine
            self._dirty_wake.set()

    def told_of_parcels(self, subs: list[int]) -> None:
        """Another engine wrote parcels for these lanes of ours."""
        for sub in subs:
            endpoint = self.roster.endpoints.get(sub)
            if endpoint is not None and endpoint.shard in self.owned:
                lane = self.dispatcher.lane(endpoint)
                lane.leave()
                self.dispatcher.feed(lane)

    def told_of_commands(self) -> None:
        self._commands_wake.set()

    def told_of_changes(self) -> None:
        self._stale = True
        self._dirty_wake.set()

    def attempts_upto(self) -> Mapping[int, int]:
        upto = self.records.positions.next
        return {shard: upto[shard] - 1 for shard in self.owned}

    def routed_upto(self) -> Mapping[int, int]:
        return {shard: cursor.step for shard, cursor in self.router.cursors.items()}

    def stop(self) -> None:
        self._stop.set()

    def _changed(self, endpoint: Endpoint) -> None:
        lane = self.dispatcher.lanes.get(endpoint.id)
        if lane is None:
            return
        lane.reconfigure(endpoint)
        if endpoint.deleted:
            self._cleanup = True
        if not endpoint.sends:
            lane.drop_memory()
        else:
            self.dispatcher.feed(lane)
            self.dispatcher.pump(lane)

    # -- its life ------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until stopped (everything is finished and recorded then) or Lost (everything is dropped)."""
        async with self.fence.hold() as session:
            await session.execute(ownership.PRESENT, (ownership.ENGINE_LOCK, self.number))
            await self.roster.load(session)
        loops: list[Coroutine[Any, Any, None]] = [
            self._own_forever(), self._route_forever(), self._record_forever(), self._command_forever(),
            self.fence.beat_forever(), self.feeder.rows_forever(), self.feeder.dues_forever(),
            *(companion.run(self) for companion in self._companions),
        ]  # fmt: skip
        tasks = [asyncio.create_task(loop) for loop in loops]
        stopped = asyncio.create_task(self._stop.wait())
        try:
            done, _ = await asyncio.wait([*tasks, stopped], return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopped}:
                task.result()
            await self.dispatcher.stop(patience_s=5.0)
            await self._record_rest()
        finally:
            self.dispatcher.abort()
            for task in [*tasks, stopped]:
                task.cancel()
            await asyncio.gather(*tasks, stopped, *self.dispatcher.tasks, return_exceptions=True)
            await self.feeder.close()
            await self.fence.close()

    async def _own_forever(self) -> None:
        rounds = 0
        while True:
            rounds += 1
            async with self.fence.hold() as session:
                engines, taken = await ownership.survey(session)
                plan = ownership.plan(engines=engines, owned=self.owned, taken=taken)
                wanted = plan.claim[: max(plan.claim_most, 0)]
                claimed = await ownership.claim(session, wanted) if wanted else []
            if claimed:
                await self._take_over(claimed)
            if plan.release:
                await self._give_up(plan.release)
            # Now and then unasked: another engine may have routed to it a moment before it heard of the end.
            if self.owned and (self._cleanup or rounds % CLEANUP_ROUNDS == 0):
                await self._end_deleted()
            await asyncio.sleep(SURVEY_S)

    async def _take_over(self, shards: list[int]) -> None:
        async with self._routing:
            async with self.fence.hold() as session:
                await self.router.take(session, shards)
                await self.records.positions.load(session, shards)
                await self.roster.load(session)
            # Before the first routing of these shards, so that what waits there is known as backlog.
            await self.feeder.take_over(shards)
            self.owned |= set(shards)
            self._cleanup = True
        self.mark(set(shards))
        self._commands_wake.set()
        logger.info("took over %d shards, now %d", len(shards), len(self.owned))

    async def _give_up(self, shards: list[int]) -> None:
        """Hand shards to another engine: no new work, what is in flight ends or is aborted, then the locks go."""
        leaving = set(shards)
        async with self._routing:
            self.owned -= leaving
            for shard in leaving:
                self.router.cursors.pop(shard, None)
        lanes = await give_up(self.dispatcher, leaving, patience_s=HANDOVER_PATIENCE_S)
        await self._record_rest()
        for lane in lanes:
            self.dispatcher.lanes.pop(lane.endpoint.id, None)
        async with self.fence.hold() as session:
            await ownership.release(session, shards)
        logger.info("gave up %d shards, now %d", len(shards), len(self.owned))

    async def _end_deleted(self) -> None:
        self._cleanup = False
        async with self.fence.hold() as session:
            await endings.end_deleted(session, shards=sorted(self.owned))
        for sub, lane in list(self.dispatcher.lanes.items()):
            if lane.endpoint.deleted and not lane.in_flight:
                del self.dispatcher.lanes[sub]

    # -- routing -------------------------------------------------------------------------------------------------

    async def _route_forever(self) -> None:
        last, full = 0.0, False
        while True:
            if not full:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL_S):
                        await self._dirty_wake.wait()
                spacing = BUSY_SPACING_S if self.dispatcher.is_busy() else SPACING_S
                pause = spacing - (self._loop.time() - last)
                if pause > 0:
                    await asyncio.sleep(pause)
            self._dirty_wake.clear()
            last = self._loop.time()
            if not self.fence.session.closed and self.owned:
                full = await self._route_once()

    async def _route_once(self) -> bool:
        async with self._routing:
            shards, self._dirty = sorted(self._dirty & self.owned), set()
            if self._stale or not shards:
                shards = sorted(self.owned)
            self._stale = False
            async with self.fence.hold() as session:
                generation, today, events = await self.router.read(session, shards)
                if generation != self.roster.generation:
                    await self.roster.load(session)
                shares, unmatched, pairs = self.router.match(events)
                await self.router.write(
                    session, today=today, events=events, shares=shares, unmatched=unmatched, pairs=pairs
                )
            self.tally.routings += 1
            self.tally.routed_events += sum(map(len, events.values()))
            self.tally.routed_pairs += sum(pairs.values())
            elsewhere = hand_over(shares, dispatcher=self.dispatcher, roster=self.roster, owned=self.owned)
            full = {shard for shard, batch in events.items() if len(batch) == READ_AT_MOST}
            self._dirty |= full
            late = self.lag.late(events, now=self.fence.now())
        if elsewhere:
            await self._tell_owners(elsewhere)
        if late:
            await self._tell_of_lag(late)
        return bool(full)

    async def _tell_owners(self, subs: list[int]) -> None:
        async with self.fence.hold() as session:
            await session.execute(
                "select pg_notify('hub_parcels', %s)", (",".join(map(str, subs[:500])),), prepare=True
            )

    async def _tell_of_lag(self, late: list[Notice]) -> None:
        async with self.fence.hold() as session:
            await log.append_internal(session, events=[notice.event() for notice in late])
        self.mark({notice.shard for notice in late})

    # -- recording -----------------------------------------------------------------------------------------------

    async def _record_forever(self) -> None:
        d = self.dispatcher
        while True:
            await d.recordable.wait()
            await asyncio.sleep(RECORD_EVERY_S if len(d.outcomes) < 200 else 0)
            d.recordable.clear()
            await self._record_rest()

    async def _record_rest(self) -> None:
        d = self.dispatcher
        while d.outcomes or d.done or d.sending.disable or d.releases or d.changed:
            batch = self.records.take()
            await self.records.write(batch)
            self.tally.records += 1
            touched = self.records.recorded(batch, self._loop.time())
            d.refund(sum(1 for _ in batch.outcomes))
            for lane in touched:
                d.feed(lane)
                d.pump(lane)
            if batch.disable:
                self.told_of_changes()

    # -- commands ------------------------------------------------------------------------------------------------

    async def _command_forever(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self._commands_wake.wait()
            self._commands_wake.clear()
            if self.owned and await self.applier.apply(sorted(self.owned)):
                self._commands_wake.set()
