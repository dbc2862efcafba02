"""One term of ownership: everything that lives and dies with one session. Lost sessions end it; a new term starts from the tables."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from hub.core.http.sender import Sender
from hub.delivery.breaker import Phase
from hub.delivery.dispatch import Dispatcher
from hub.delivery.endpoint import Endpoint
from hub.delivery.items import Item, Parcel
from hub.delivery.notices import Notice
from hub.delivery.outcome import Reason
from hub.delivery.states import WORDS, State
from hub.delivery.tally import Tally
from hub.eventlog import append as log
from hub.eventlog import arrays
from hub.routing import commands, ownership
from hub.routing.feeding import Feeder
from hub.routing.fence import Fence
from hub.routing.lag import LagWatch
from hub.routing.records import Records
from hub.routing.roster import Roster
from hub.routing.router import READ_AT_MOST, Router

logger = logging.getLogger(__name__)

SPACING_S = 0.005
RECORD_EVERY_S = 0.015
POLL_S = 1.0
SURVEY_S = 1.0
HANDOVER_PATIENCE_S = 4.0
CLEANUP_ROUNDS = 30

POSITIONS = """
select h.shard, coalesce((select a.pos from attempt a where a.shard = h.shard order by a.pos desc limit 1), 0) + 1
from unnest(%(shards)b::int2[]) h(shard)"""
END_DELETED = """
with gone as (select s.id, s.shard from subscriptions_subscription s
              where s.deleted_at is not null and s.shard = any(%(shards)b::int2[])
                and (not exists (select from ended x where x.sub = s.id)
                  or exists (select from parcel p where p.shard = s.shard and p.sub = s.id)
                  or exists (select from due d where d.shard = s.shard and d.sub = s.id))),
 p as (delete from parcel x using gone g where x.shard = g.shard and x.sub = g.id returning x.sub, x.seqs, x.day),
 d as (delete from due x using gone g where x.shard = g.shard and x.sub = g.id returning x.sub, x.seq, x.run),
 w as (select sub, seq from p, unnest(p.seqs) q(seq)
       where not exists (select from attempt a where a.sub = p.sub and a.seq = q.seq and a.run = 0 and a.day = p.day)
       union select sub, seq from d where run = 0
         and not exists (select from attempt a where a.sub = d.sub and a.seq = d.seq and a.run = 0))
insert into ended (sub, shard, waiting)
select g.id, g.shard, (select count(*) from w where w.sub = g.id) from gone g
on conflict (sub) do update set waiting = ended.waiting + excluded.waiting"""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one engine may do at once."""

    budget: int
    capture_bytes: int
    allow_http: bool


class Term:
    """Owns shards from `run()` until the session is lost or `stop` is set."""

    def __init__(self, *, fence: Fence, sender: Sender, limits: Limits, tally: Tally, number: int) -> None:
        self.fence, self.tally, self.number = fence, tally, number
        self.owned: set[int] = set()
        self.roster = Roster(self._changed)
        self.router = Router(self.roster)
        self.feeder = Feeder(fence=fence, roster=self.roster)
        self.dispatcher = Dispatcher(
            fence=fence, sender=sender, budget=limits.budget, capture_bytes=limits.capture_bytes,
            allow_http=limits.allow_http, tally=tally, load=self.feeder.load, wants_rows=self.feeder.wants_rows,
            wants_dues=self.feeder.wants_dues,
        )  # fmt: skip
        self.feeder.dispatcher = self.dispatcher
        self.records = Records(dispatcher=self.dispatcher, fence=fence, dirty=self.mark)
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
                claimed = (
                    await ownership.claim(session, plan.claim[: plan.claim_most])
                    if plan.claim and plan.claim_most > 0
                    else []
                )
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
                rows = await session.execute(POSITIONS, {"shards": arrays.int2(shards)}, binary=True)
                for shard, position in await rows.fetchall():
                    self.records.positions.next[shard] = position
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
        lanes = [lane for lane in self.dispatcher.lanes.values() if lane.endpoint.shard in leaving]
        for lane in lanes:
            lane.slots = 0
            lane.firsts.clear()
            lane.retries.clear()
            lane.replays.clear()
            lane.backlog, lane.next_due = False, float("inf")
        until = self._loop.time() + HANDOVER_PATIENCE_S
        while any(lane.in_flight for lane in lanes) and self._loop.time() < until:
            await asyncio.sleep(0.01)
        self.dispatcher.abort_lanes(lanes)
        await self._record_rest()
        for lane in lanes:
            self.dispatcher.lanes.pop(lane.endpoint.id, None)
        async with self.fence.hold() as session:
            await ownership.release(session, shards)
        logger.info("gave up %d shards, now %d", len(shards), len(self.owned))

    async def _end_deleted(self) -> None:
        self._cleanup = False
        async with self.fence.hold() as session:
            await session.execute(END_DELETED, {"shards": arrays.int2(sorted(self.owned))}, binary=True)
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
                pause = SPACING_S - (self._loop.time() - last)
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
            elsewhere = self._hand_over(shares)
            full = {shard for shard, batch in events.items() if len(batch) == READ_AT_MOST}
            self._dirty |= full
            late = self.lag.late(events, now=self.fence.now())
        if elsewhere:
            await self._tell_owners(elsewhere)
        if late:
            await self._tell_of_lag(late)
        return bool(full)

    def _hand_over(self, shares: list[Any]) -> list[int]:
        """Straight from the commit into the lanes. Returns subscriptions whose owner is another engine."""
        elsewhere, d = [], self.dispatcher
        for share in shares:
            endpoint = self.roster.endpoints.get(share.sub.id)
            if endpoint is None:
                continue
            if endpoint.shard not in self.owned:
                elsewhere.append(endpoint.id)
                continue
            lane = d.lane(endpoint)
            events = share.events
            if lane.takes(len(events), sum(event.size for event in events)):
                parcel = Parcel(endpoint.id, events[0].src, events[0].seq, len(events))
                parcel.taken = {event.seq for event in events}
                lane.push([Item(event, parcel) for event in events], parcel)
                d.pump(lane)
            else:
                lane.leave()
                d.feed(lane)
        return elsewhere

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
        while d.outcomes or d.done or d.disable or d.releases or d.changed:
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
            if self.owned and await self._apply_commands():
                self._commands_wake.set()

    async def _apply_commands(self) -> bool:
        d = self.dispatcher
        async with self.fence.hold() as session:
            waiting = await commands.waiting(session, shards=sorted(self.owned))
            if not waiting:
                return False
            standings = await commands.standings(session, commands=waiting)
            effective, results, seen = [], {}, set()
            for command in waiting:
                lane = d.lanes.get(command.sub)
                key = (command.seq, command.run)
                in_flight = lane is not None and _in_flight(d, lane, key)
                known = (command.sub, *key) in seen and command.kind != "requeue"
                works, text = commands.verdict(
                    command, standings[command.id], in_flight=in_flight or known,
                    breaker_open=lane is not None and lane.breaker.phase is not Phase.closed,
                    exists=command.sub in self.roster.endpoints,
                )  # fmt: skip
                results[command.id] = text
                if works:
                    effective.append(command)
                    seen.add((command.sub, *key))
            cancels = [c for c in effective if c.kind == "cancel"]
            positions = [self.records.positions.take(c.shard) for c in cancels]
            async with session.transaction():
                await commands.write(
                    session, effective=effective, standings=standings, results=results, positions=positions,
                    reason=Reason.cancelled, finish=WORDS[State.cancelled].end,
                )  # fmt: skip
        for command in effective:
            self._took_effect(command, standings[command.id])
        return len(waiting) == commands.AT_ONCE

    def _took_effect(self, command: commands.Command, standing: commands.Standing) -> None:
        d, key = self.dispatcher, (command.seq, command.run)
        lane = d.lane(self.roster.endpoints[command.sub])
        if command.kind == "cancel":
            if key in lane.due_taken or any(i.event.seq == command.seq and not i.run for i in lane.firsts):
                lane.cancelled.add(key)
            subject = lane.subjects.get(standing.subject) if standing.subject is not None else None
            if subject is not None and standing.due:
                subject.rows -= 1
                if not standing.held and not subject.busy and subject.rows > 0:
                    d.releases.append((command.sub, standing.subject or 0))
                    d.recordable.set()
        else:
            lane.next_due = 0.0
        d.feed(lane)
        d.pump(lane)


def _in_flight(d: Dispatcher, lane: Any, key: tuple[int, int]) -> bool:
    """Is an attempt of it on its way, or made and not yet recorded?"""
    if any(o.sub == lane.endpoint.id and (o.item.event.seq, o.item.run) == key for o in d.outcomes):
        return True
    seq, run = key
    if run or key in lane.due_taken:
        queued = any((i.event.seq, i.run) == key for queue in (lane.retries, lane.replays) for i in queue)
        return key in lane.due_taken and not queued
    taken = any(parcel.taken is not None and seq in parcel.taken for parcel in lane.live.values())
    return taken and not any(i.event.seq == seq for i in lane.firsts)
