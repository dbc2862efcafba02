"""Which deliveries go out now: takes what lanes offer within one budget, and keeps the outcomes for the recorder.

In flight and not yet recorded are bounded together, so what a dead process may send again is bounded too.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable

from hub.delivery.breaker import Phase
from hub.delivery.endpoint import Endpoint
from hub.delivery.items import Item, Outcome, Parcel
from hub.delivery.lane import NEVER, PROCESS_BYTES, Lane, Store
from hub.delivery.order import Order
from hub.delivery.sending import Fence, Sending
from hub.delivery.tally import Tally

logger = logging.getLogger(__name__)

BROKEN_PAUSE_S = 30.0


class Dispatcher:
    """Lives as long as one ownership session. `wants_rows` and `wants_dues` are told which lanes should be filled."""

    def __init__(
        self, *, fence: Fence, sending: Sending, budget: int, tally: Tally, wants_rows: Callable[[Lane], None],
        wants_dues: Callable[[Lane], None],
    ) -> None:  # fmt: skip
        self.sending, self.budget, self.tally = sending, budget, tally
        self.lanes: dict[int, Lane] = {}
        self.store = Store()
        self.outcomes: list[Outcome] = []
        self.done: list[Parcel] = []
        self.changed: set[int] = set()
        self.releases: list[tuple[int, int]] = []
        self.recordable = asyncio.Event()
        self.tasks: dict[asyncio.Task[None], Lane] = {}
        self.stopping = False
        self.order = Order(hold=self._hold, release=self.release)
        self._fence, self._wants_rows, self._wants_dues = fence, wants_rows, wants_dues
        self._starved: deque[Lane] = deque()
        self._hungry: set[int] = set()
        self._loop = asyncio.get_running_loop()
        self._capacity = budget

    def lane(self, endpoint: Endpoint) -> Lane:
        """The lane of a subscription, made when first needed."""
        lane = self.lanes.get(endpoint.id)
        if lane is None:
            lane = self.lanes[endpoint.id] = Lane(endpoint, self.store)
        return lane

    # -- what goes next ------------------------------------------------------------------------------------------

    def pump(self, lane: Lane) -> None:
        """Start as much of the lane as may go now."""
        while (item := self._next(lane)) is not None:
            task = self._loop.create_task(self._run(lane, item))
            self.tasks[task] = lane
            task.add_done_callback(self._task_ended)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        lane = self.tasks.pop(task, None)
        if (
            lane is not None
            and not task.cancelled()
            and (error := task.exception()) is not None
            and not self.stopping
        ):
            logger.error("an attempt broke off", exc_info=error, extra={"subscription": lane.endpoint.uid})

    def _next(self, lane: Lane) -> Item | None:
        while True:
            if self.stopping or not lane.has_room():
                return None
            if not (lane.firsts or lane.retries or lane.replays):
                self.feed(lane)
                return None
            if self.budget <= 0 or (
                self.budget < self._capacity // 8 and lane.in_flight > self._fair_share()
            ):
                if not lane.starved:
                    lane.starved = True
                    self._starved.append(lane)
                return None
            now = self._loop.time()
            until = lane.gate(now)
            if until:
                self._alarm(lane, until)
                return None
            item = lane.pick()
            if item is None:
                return None
            if lane.cancelled and (item.event.seq, item.run) in lane.cancelled:
                self._drop_cancelled(lane, item)
                continue
            if lane.endpoint.ordering == "subject" and not self.order.may_go(lane, item):
                continue
            item.epoch = lane.begin(now)
            if lane.transitions:
                self.changed.add(lane.endpoint.id)
            if lane.backlog or lane.next_due <= now:
                self.feed(lane)
            self.budget -= 1
            return item

    def is_busy(self) -> bool:
        """Are more than half of what may be in flight or unrecorded at once taken?"""
        return self.budget < self._capacity // 2

    def _fair_share(self) -> int:
        active = sum(1 for lane in self.lanes.values() if lane.in_flight) or 1
        return max(4, self._capacity // (2 * active))

    def feed(self, lane: Lane) -> None:
        """Ask for rows if the tables hold some for it and it could send them; set its alarm otherwise."""
        if not lane.endpoint.sends or self.stopping:
            return
        now = self._loop.time()
        breaker = lane.breaker
        if breaker.phase is Phase.half_open or (breaker.phase is Phase.open and now < breaker.until):
            if lane.backlog or lane.next_due < NEVER:
                self._alarm(lane, breaker.until)
            return
        if lane.wants_more():
            if self.store.used < PROCESS_BYTES:
                self._wants_rows(lane)
            else:
                self._hungry.add(lane.endpoint.id)
        if lane.next_due < NEVER and not lane.due_loading and len(lane.retries) + len(lane.replays) < 50:
            if lane.next_due <= now:
                self._wants_dues(lane)
            else:
                self._alarm(lane, lane.next_due)

    def _alarm(self, lane: Lane, at: float) -> None:
        if at == NEVER or at >= lane.timer_at:
            return
        if lane.timer is not None:
            lane.timer.cancel()
        lane.timer_at = at
        lane.timer = self._loop.call_at(at + 0.001, self._rang, lane)

    def _rang(self, lane: Lane) -> None:
        lane.timer_at, lane.timer = NEVER, None
        self.feed(lane)
        self.pump(lane)

    def refund(self, count: int) -> None:
        """Outcomes are recorded: that many may be sent again. Lanes that waited for it go on in turn."""
        self.budget += count
        if self._hungry and self.store.used < PROCESS_BYTES * 3 // 4:
            hungry, self._hungry = self._hungry, set()
            for sub in hungry:
                if sub in self.lanes:
                    self.feed(self.lanes[sub])
        for _ in range(len(self._starved)):
            if self.budget <= 0:
                return
            lane = self._starved.popleft()
            lane.starved = False
            self.pump(lane)

    def _hold(self, lane: Lane, item: Item) -> None:
        outcome = Outcome(lane.endpoint.id, item, self._fence.now(), lane.endpoint.version, 0, 0)
        outcome.attempted, outcome.wait_s = False, 0.0
        self.budget -= 1
        self._add(outcome)

    def release(self, sub: int, subject: int) -> None:
        """The next held delivery of the subject may go."""
        self.releases.append((sub, subject))
        self.recordable.set()

    # -- one after the other -------------------------------------------------------------------------------------

    async def _run(self, lane: Lane, item: Item | None) -> None:
        while item is not None:
            try:
                outcome = await self.sending.attempt(lane, item)
            except Exception:
                self._put_back(lane, item)
                raise
            self._landed(lane, item, outcome)
            item = self._next(lane)

    def _landed(self, lane: Lane, item: Item, outcome: Outcome) -> None:
        if lane.transitions:
            self.changed.add(lane.endpoint.id)
            last = lane.transitions[-1]
            if last.new is Phase.open:
                lane.drop_memory()
                self._alarm(lane, last.until)
        lane.finished(item)
        if lane.subjects:
            self.order.ended(lane, item, final=outcome.wait_s is None)
        self._add(outcome)

    def _put_back(self, lane: Lane, item: Item) -> None:
        # Something of ours failed (a sealing key that is missing, say): nothing is burnt, and the lane waits a while.
        lane.finished(item)
        self.budget += 1
        lane.bucket.hold_until(self._loop.time() + BROKEN_PAUSE_S)
        if item.run:
            lane.replays.appendleft(item)
        elif item.due:
            lane.retries.appendleft(item)
        else:
            lane.firsts.appendleft(item)
            lane.add_weight(item.event.weight)
        self._alarm(lane, self._loop.time() + BROKEN_PAUSE_S)

    def _drop_cancelled(self, lane: Lane, item: Item) -> None:
        # Its end is recorded already, by the command that cancelled it.
        lane.cancelled.discard((item.event.seq, item.run))
        lane.due_taken.discard((item.event.seq, item.run))
        lane.finished(item)
        if lane.subjects:
            self.order.ended(lane, item, final=True)
        self._end_in_parcel(item)

    def _end_in_parcel(self, item: Item) -> None:
        """It has its end, or a due row; the parcel goes with its last."""
        parcel = item.parcel
        if parcel is not None:
            item.parcel = None
            parcel.left -= 1
            if parcel.left <= 0:
                self.done.append(parcel)
                self.recordable.set()

    def _add(self, outcome: Outcome) -> None:
        self._end_in_parcel(outcome.item)
        self.outcomes.append(outcome)
        if not self.recordable.is_set():
            self.recordable.set()

    async def stop(self, *, patience_s: float) -> None:
        """Take nothing more; let what is in flight finish, then abort it."""
        self.stopping = True
        until = time.monotonic() + patience_s
        while self.tasks and time.monotonic() < until:
            await asyncio.sleep(0.01)
        self.abort()

    def abort(self) -> None:
        """End every request now; what became of them stays unrecorded."""
        self.stopping = True
        for lane in self.lanes.values():
            if lane.timer is not None:
                lane.timer.cancel()
        for task in list(self.tasks):
            task.cancel()

    def abort_lanes(self, lanes: list[Lane]) -> None:
        """End the requests of these lanes, which go to another owner; they stay in their rows."""
        leaving = {id(lane) for lane in lanes}
        for task, lane in list(self.tasks.items()):
            if id(lane) in leaving:
                task.cancel()
                self.budget += 1
