"""Writing down what the dispatcher reports: outcomes, breaker facts, disablings and the hub's own events, as one commit."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hub.core import ids
from hub.delivery import notices, recorder
from hub.delivery.breaker import Phase, Transition
from hub.delivery.dispatch import Dispatcher
from hub.delivery.items import Outcome, Parcel
from hub.delivery.lane import Lane
from hub.delivery.notices import Notice
from hub.delivery.outcome import Reason
from hub.delivery.states import WORDS, State
from hub.eventlog import append as log
from hub.eventlog import arrays
from hub.routing.fence import Fence
from hub.subscriptions import statements

logger = logging.getLogger(__name__)

AT_ONCE = 500
DEAD = WORDS[State.dead].end

FACTS = """
insert into breaker_fact (sub, at, state, until, streak, failing_since, reason)
select s, now(), st, u, k, f, r from unnest(%(sub)b::int4[], %(state)b::text[], %(until)b::timestamptz[], %(streak)b::int4[],
  %(failing)b::timestamptz[], %(reason)b::text[]) x(s, st, u, k, f, r)"""


@dataclass(slots=True)
class Batch:
    """What goes into one commit."""

    outcomes: list[Outcome]
    done: list[Parcel]
    disable: dict[int, str]
    releases: list[tuple[int, int]]
    transitions: list[tuple[Lane, Transition]] = field(default_factory=list)

    @property
    def plain(self) -> bool:
        """Outcomes alone: one statement without a transaction around it."""
        return not (self.disable or self.releases or self.transitions) and not any(
            o.finish == DEAD for o in self.outcomes
        )


class Records:
    """`dirty(shards)` is told where hub events were written; `gone()` says whether a lane is no longer this engine's."""

    def __init__(self, *, dispatcher: Dispatcher, fence: Fence, dirty: Callable[[set[int]], None]) -> None:
        self.positions = recorder.Positions()
        self._dispatcher, self._fence, self._dirty = dispatcher, fence, dirty
        self._clock = time.monotonic

    def take(self) -> Batch:
        """The next batch, out of the dispatcher's hands."""
        d = self._dispatcher
        outcomes, d.outcomes = d.outcomes[:AT_ONCE], d.outcomes[AT_ONCE:]
        done: list[Parcel] = []
        if not d.outcomes:
            # A parcel may go only in the commit that holds its last outcome, or later.
            done, d.done = d.done, []
        batch = Batch(outcomes, done, d.sending.disable, d.releases)
        d.sending.disable, d.releases = {}, []
        for sub in d.changed:
            lane = d.lanes.get(sub)
            if lane is not None and lane.transitions:
                batch.transitions += [(lane, transition) for transition in lane.transitions]
                lane.transitions = []
        d.changed = set()
        return batch

    async def write(self, batch: Batch) -> None:
        """One commit. Raises Lost."""
        d = self._dispatcher
        lanes = d.lanes
        shards = {o.sub: lanes[o.sub].endpoint.shard for o in batch.outcomes}
        shards |= {p.sub: lanes[p.sub].endpoint.shard for p in batch.done}
        ordered = {sub for sub in shards if lanes[sub].endpoint.ordering == "subject"}
        arguments: dict[str, Any] = {
            "outcomes": batch.outcomes, "shards": shards, "positions": self.positions, "done": batch.done, "ordered": ordered,
        }  # fmt: skip
        async with self._fence.hold() as session:
            if batch.plain:
                await recorder.record(session, **arguments)
                return
            told = self._notices(batch)
            async with session.transaction():
                await recorder.record(session, **arguments)
                await self._facts(session, batch)
                for sub, reason in batch.disable.items():
                    if not await statements.disable(session, subscription=sub, reason=reason):
                        told = [n for n in told if (n.type, n.data.get("number")) != (notices.DISABLED, sub)]
                if batch.releases:
                    await session.execute(
                        recorder.RELEASE,
                        {
                            "shard": arrays.int2([lanes[sub].endpoint.shard for sub, _ in batch.releases]),
                            "sub": arrays.int4([sub for sub, _ in batch.releases]),
                            "subject": arrays.int8([subject for _, subject in batch.releases]),
                        },
                        prepare=True,
                        binary=True,
                    )
                if told:
                    for notice in told:
                        notice.data.pop("number", None)
                    await log.append_internal(session, events=[notice.event() for notice in told])
            if told:
                self._dirty({notice.shard for notice in told})

    async def _facts(self, session: log.Session, batch: Batch) -> None:
        if not batch.transitions:
            return
        mono, wall = self._clock(), self._fence.now()

        def stamp(at: float | None) -> float | None:
            return None if at is None or at in (float("inf"), float("-inf")) else wall + at - mono

        moves = batch.transitions
        await session.execute(
            FACTS,
            {
                "sub": arrays.int4([lane.endpoint.id for lane, _ in moves]),
                "state": arrays.text([str(t.new) for _, t in moves]),
                "until": arrays.stamps([stamp(t.until) for _, t in moves]),
                "streak": arrays.int4([t.streak for _, t in moves]),
                "failing": arrays.stamps([stamp(lane.failing_since) for lane, _ in moves]),
                "reason": arrays.text([str(t.reason) for _, t in moves]),
            },
            prepare=True,
            binary=True,
        )

    def _notices(self, batch: Batch) -> list[Notice]:
        lanes, told = self._dispatcher.lanes, []
        # A subscriber to the hub's own events that fails is not told of it by more of them.
        causes = {o.sub for o in batch.outcomes if notices.may_cause(o.item.event)}
        for outcome in batch.outcomes:
            if outcome.finish == DEAD and notices.may_cause(outcome.item.event):
                event, endpoint = outcome.item.event, lanes[outcome.sub].endpoint
                reason = Reason(outcome.reason)
                told.append(Notice(
                    notices.DEAD, endpoint.env, endpoint.shard, endpoint.consumer, endpoint.uid,
                    {"subscription": endpoint.uid, "event": ids.encode("evt", event.id), "event_type": event.type,
                     "delivery": ids.delivery_id(event.id, endpoint.id, outcome.item.run), "attempts": outcome.item.attempts,
                     "reason": reason.code, "message": reason.sentence, "next_step": reason.next_step},
                    event.depth + 1,
                ))  # fmt: skip
        for lane, transition in batch.transitions:
            endpoint = lane.endpoint
            if endpoint.id not in causes and transition.new is Phase.open:
                continue
            if transition.new is Phase.open and transition.old is Phase.closed:
                kind = notices.BREAKER_OPENED
            elif transition.new is Phase.closed:
                kind = notices.BREAKER_CLOSED
            else:
                continue
            told.append(Notice(
                kind, endpoint.env, endpoint.shard, endpoint.consumer, endpoint.uid,
                {"subscription": endpoint.uid, "url": endpoint.url, "reason": str(transition.reason)},
            ))  # fmt: skip
        for sub, reason_text in batch.disable.items():
            if sub in causes:
                endpoint = lanes[sub].endpoint
                told.append(Notice(
                    notices.DISABLED, endpoint.env, endpoint.shard, endpoint.consumer, endpoint.uid,
                    {"subscription": endpoint.uid, "url": endpoint.url, "reason": reason_text, "number": sub},
                ))  # fmt: skip
        return told

    def recorded(self, batch: Batch, now: float) -> list[Lane]:
        """The commit is through: settle the lanes' books. Returns lanes that may have more to do. `now`: the loop's time."""
        d, touched = self._dispatcher, {}
        for parcel in batch.done:
            lane = d.lanes.get(parcel.sub)
            if lane is not None:
                lane.live.pop(parcel.key, None)
                if lane.refilling:
                    lane.ended.add(parcel.key)
        for outcome in batch.outcomes:
            lane = d.lanes.get(outcome.sub)
            if lane is None:
                continue
            item = outcome.item
            if item.due:
                lane.due_taken.discard((item.event.seq, item.run))
                if lane.due_loading:
                    lane.due_ended.add((item.event.seq, item.run))
                touched[outcome.sub] = lane
            if outcome.wait_s is not None and (outcome.attempted or outcome.finish):
                lane.next_due = min(lane.next_due, now + outcome.wait_s)
                touched[outcome.sub] = lane
        for sub, _ in batch.releases:
            lane = d.lanes.get(sub)
            if lane is not None:
                lane.next_due = 0.0
                touched[sub] = lane
        return list(touched.values())
