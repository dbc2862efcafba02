"""The owner applies commands: each with its effect in one transaction, then in memory. It refuses with a sentence, never in silence."""

from __future__ import annotations

from hub.delivery.breaker import Phase
from hub.delivery.dispatch import Dispatcher
from hub.delivery.lane import Lane
from hub.delivery.outcome import Reason
from hub.delivery.recorder import Positions
from hub.delivery.states import WORDS, State
from hub.routing import commands, pages
from hub.routing.fence import Fence
from hub.routing.roster import Roster


class Applier:
    """For one term of ownership."""

    def __init__(self, *, fence: Fence, dispatcher: Dispatcher, roster: Roster, positions: Positions) -> None:
        self._fence, self._dispatcher, self._roster, self._positions = fence, dispatcher, roster, positions

    async def apply(self, shards: list[int]) -> bool:
        """Apply what waits for these shards; were there as many as fit? Raises Lost."""
        more = await self._pages(shards)
        return await self._commands(shards) or more

    async def _pages(self, shards: list[int]) -> bool:
        async with self._fence.hold() as session:
            applied = await pages.apply(session, shards=shards)
        for sub in {sub for sub, made in applied if made and sub in self._roster.endpoints}:
            lane = self._dispatcher.lane(self._roster.endpoints[sub])
            lane.next_due = 0.0
            self._dispatcher.feed(lane)
            self._dispatcher.pump(lane)
        return len(applied) == pages.AT_ONCE

    async def _commands(self, shards: list[int]) -> bool:
        d = self._dispatcher
        async with self._fence.hold() as session:
            waiting = await commands.waiting(session, shards=shards)
            if not waiting:
                return False
            standings = await commands.standings(session, commands=waiting)
            effective, results, seen, queued = [], {}, set(), set()
            for command in waiting:
                lane = d.lanes.get(command.sub)
                key = (command.seq, command.run)
                in_flight = lane is not None and _in_flight(d, lane, key)
                known = (command.sub, *key) in seen and command.kind != "requeue"
                works, text = commands.verdict(
                    command, standings[command.id], in_flight=in_flight or known,
                    breaker_open=lane is not None and lane.breaker.phase is not Phase.closed,
                    exists=command.sub in self._roster.endpoints,
                )  # fmt: skip
                results[command.id] = text
                if works:
                    effective.append(command)
                    seen.add((command.sub, *key))
                    if command.kind == "cancel" and self._bar(command):
                        queued.add(command.id)
            cancels = [c for c in effective if c.kind == "cancel"]
            positions = [self._positions.take(c.shard) for c in cancels]
            async with session.transaction():
                await commands.write(
                    session, effective=effective, standings=standings, results=results, positions=positions,
                    reason=Reason.cancelled, finish=WORDS[State.cancelled].end,
                )  # fmt: skip
        for command in effective:
            self._took_effect(command, standings[command.id], queued=command.id in queued)
        return len(waiting) == commands.AT_ONCE

    def _bar(self, command: commands.Command) -> bool:
        """From now on it is not sent, though its end is yet to be written; is it queued in memory?"""
        lane, key = self._dispatcher.lane(self._roster.endpoints[command.sub]), (command.seq, command.run)
        lane.cancelled.add(key)
        return key in lane.due_taken or any(
            i.event.seq == command.seq and not command.run for i in lane.firsts
        )

    def _took_effect(self, command: commands.Command, standing: commands.Standing, *, queued: bool) -> None:
        d, key = self._dispatcher, (command.seq, command.run)
        lane = d.lane(self._roster.endpoints[command.sub])
        if command.kind == "cancel":
            if lane.due_loading:
                lane.due_ended.add(key)
            if not queued and key not in lane.due_taken and not lane.refilling:
                # Nothing is in memory that would be dropped when its turn comes.
                lane.cancelled.discard(key)
            if (
                not queued
                and standing.due
                and standing.subject is not None
                and standing.subject in lane.subjects
            ):
                subject = lane.subjects[standing.subject]
                subject.rows -= 1
                if not standing.held and not subject.busy and subject.rows > 0:
                    d.release(command.sub, standing.subject)
        else:
            lane.next_due = 0.0
        d.feed(lane)
        d.pump(lane)


def _in_flight(d: Dispatcher, lane: Lane, key: tuple[int, int]) -> bool:
    """Is an attempt of it on its way, or made and not yet recorded?"""
    if any(o.sub == lane.endpoint.id and (o.item.event.seq, o.item.run) == key for o in d.outcomes):
        return True
    seq, run = key
    if run or key in lane.due_taken:
        queued = any((i.event.seq, i.run) == key for queue in (lane.retries, lane.replays) for i in queue)
        return key in lane.due_taken and not queued
    taken = any(parcel.taken is not None and seq in parcel.taken for parcel in lane.live.values())
    return taken and not any(i.event.seq == seq for i in lane.firsts)
