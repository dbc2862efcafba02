"""The owner's sending half: takes what lanes offer, sends it, decides what follows, and hands outcomes to the recorder.

In flight and not yet recorded are bounded together, so what a dead process may send again is bounded too. It never sends
while the session that records has not answered for a second.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol

from hub.core.http.sender import Sender
from hub.delivery import request as wire
from hub.delivery import retry
from hub.delivery.breaker import Phase
from hub.delivery.endpoint import Endpoint
from hub.delivery.items import Item, Outcome, Parcel
from hub.delivery.lane import NEVER, Lane, Subject
from hub.delivery.outcome import Reason, asked_wait, classify
from hub.delivery.recorder import subject_hash
from hub.delivery.states import WORDS, State
from hub.delivery.tally import Tally

logger = logging.getLogger(__name__)

FAILING_DAYS = 5
DAY_S = 86_400.0
_END = {state: word.end for state, word in WORDS.items()}
_DELIVERED_END = WORDS[State.delivered].end


class Fence(Protocol):
    def fresh(self) -> bool: ...
    async def refresh(self) -> None: ...
    def now(self) -> float: ...


class Dispatcher:
    """Lives as long as one ownership session. `load(event)` fetches a large body; `wants` is told which lanes need rows."""

    def __init__(
        self, *, fence: Fence, sender: Sender, budget: int, capture_bytes: int, allow_http: bool, tally: Tally,
        load: Any, wants_rows: Callable[[Lane], None], wants_dues: Callable[[Lane], None],
    ) -> None:  # fmt: skip
        self.fence, self.sender, self.budget, self.tally = fence, sender, budget, tally
        self.capture_bytes, self.allow_http = capture_bytes, allow_http
        self.lanes: dict[int, Lane] = {}
        self.outcomes: list[Outcome] = []
        self.done: list[Parcel] = []
        self.disable: dict[int, str] = {}
        self.changed: set[int] = set()
        self.releases: list[tuple[int, int]] = []
        self.recordable = asyncio.Event()
        self.tasks: dict[asyncio.Task[None], Lane] = {}
        self.stopping = False
        self._load, self._wants_rows, self._wants_dues = load, wants_rows, wants_dues
        self._starved: deque[Lane] = deque()
        self._loop = asyncio.get_running_loop()
        self._capacity = budget

    def lane(self, endpoint: Endpoint) -> Lane:
        """The lane of a subscription, made when first needed."""
        lane = self.lanes.get(endpoint.id)
        if lane is None:
            lane = self.lanes[endpoint.id] = Lane(endpoint)
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
        if lane is not None and not task.cancelled() and task.exception() is not None:
            # The delivery stays in its rows; its slot and its share of the budget come back.
            if not isinstance(task.exception(), ConnectionAbortedError):
                logger.error(
                    "an attempt broke off",
                    exc_info=task.exception(),
                    extra={"subscription": lane.endpoint.uid},
                )
            lane.in_flight -= 1
            self.budget += 1

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
            if lane.endpoint.ordering == "subject" and item.run == 0 and not self._in_order(lane, item):
                continue
            item.epoch = lane.begin(now)
            if lane.transitions:
                self.changed.add(lane.endpoint.id)
            if lane.backlog or lane.next_due <= now:
                self.feed(lane)
            self.budget -= 1
            return item

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
            self._wants_rows(lane)
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
        for _ in range(len(self._starved)):
            if self.budget <= 0:
                return
            lane = self._starved.popleft()
            lane.starved = False
            self.pump(lane)

    # -- order by subject ----------------------------------------------------------------------------------------

    def _in_order(self, lane: Lane, item: Item) -> bool:
        key = subject_hash(item)
        if key is None:
            return True
        subject = lane.subjects.get(key)
        if subject is None:
            subject = lane.subjects[key] = Subject()
        if item.due and not subject.busy:
            subject.busy = True
            return True
        if subject.busy and not subject.rows:
            subject.waiting.append(item)
            lane.finished(item)
            return False
        if subject.rows or subject.busy:
            self._hold(lane, item, subject)
            return False
        subject.busy = True
        return True

    def _hold(self, lane: Lane, item: Item, subject: Subject) -> None:
        """Behind an open delivery of its subject: it waits as a row, so that memory stays bounded."""
        if not item.due:
            subject.rows += 1
        lane.finished(item)
        outcome = Outcome(
            lane.endpoint.id, item, self.fence.now(), lane.endpoint.version, Reason.delivered, 0
        )
        outcome.attempted, outcome.wait_s = False, 0.0
        self.budget -= 1
        self._add(outcome)

    def _subject_ended(self, lane: Lane, item: Item, *, final: bool) -> None:
        key = subject_hash(item)
        subject = lane.subjects.get(key) if key is not None else None
        if key is None or subject is None:
            return
        subject.busy = False
        if not final:
            if not item.due:
                subject.rows += 1
            while subject.waiting:
                waiting = subject.waiting.popleft()
                lane.in_flight += 1
                self._hold(lane, waiting, subject)
            return
        if item.due:
            subject.rows -= 1
        if subject.rows > 0:
            self.releases.append((lane.endpoint.id, key))
        elif subject.waiting:
            lane.firsts.extendleft(reversed(subject.waiting))
            lane.bytes += sum(waiting.event.size for waiting in subject.waiting)
            subject.waiting.clear()
        else:
            del lane.subjects[key]

    # -- one attempt ---------------------------------------------------------------------------------------------

    async def _run(self, lane: Lane, item: Item | None) -> None:
        while item is not None:
            await self._attempt(lane, item)
            item = self._next(lane)

    async def _attempt(self, lane: Lane, item: Item) -> None:
        endpoint, event = lane.endpoint, item.event
        now = self.fence.now()
        if now > event.created.timestamp() + endpoint.max_age_s and item.run == 0:
            self._end_unsent(lane, item, Reason.expired, State.expired, now)
            return
        target = endpoint.prepare(self.sender, allow_http=self.allow_http)
        if target is None:
            self._end_unsent(lane, item, Reason.blocked_address, State.dead, now, detail=endpoint.refusal)
            return
        if event.data is None:
            await self._load(event)
        body = event.body()
        headers = wire.headers(
            item=item, suffix=endpoint.suffix, signer=endpoint.signer(now), timestamp=int(now), body=body
        )
        if not self.fence.fresh():
            await self.fence.refresh()
        capture = self.capture_bytes if endpoint.captures != "none" else 0
        reply = await self.sender.send(target, headers, body, timeout_s=endpoint.timeout_s, capture=capture)
        item.attempts += 1
        if item.manual:
            item.manuals += 1
        reason = classify(status=reply.status, error=reply.error)
        ok = reason is Reason.delivered
        outcome = Outcome(endpoint.id, item, now, endpoint.version, reason, _DELIVERED_END)
        wire.fill(outcome, reply=reply, request=headers, body=body, captures=endpoint.captures, ok=ok)
        if item.attempts == 1:
            self.tally.first(now - event.created.timestamp())
        self.tally.attempt(reason, reply.total_us)
        if not ok:
            self._failed(lane, item, outcome, reason, reply.headers, reply.status)
        transition = lane.judge(
            item, ok=ok, counts=reason.counts, now=self._loop.time(), random=random.random()
        )
        if transition is not None:
            self.changed.add(endpoint.id)
            if transition.new is Phase.open:
                lane.drop_memory()
                self._alarm(lane, transition.until)
        event.drop_body()
        lane.finished(item)
        if lane.subjects:
            self._subject_ended(lane, item, final=outcome.wait_s is None)
        self._add(outcome)

    def _failed(
        self,
        lane: Lane,
        item: Item,
        outcome: Outcome,
        reason: Reason,
        headers: list[tuple[bytes, bytes]],
        status: int,
    ) -> None:
        endpoint = lane.endpoint
        now = datetime.fromtimestamp(outcome.at + outcome.total_us / 1e6, UTC)
        asked = None
        if status in (429, 503):
            value = next((value for name, value in headers if name.lower() == b"retry-after"), None)
            asked = asked_wait(status=status, retry_after=value, now=now)
        if asked and reason is Reason.http_429:
            lane.bucket.hold_until(self._loop.time() + min(asked, retry.RETRY_AFTER_CAP_S))
        if item.manual and item.planned is not None:
            outcome.wait_s, outcome.finish = max(0.0, item.planned - self._loop.time()), 0
            item.manual, item.planned = False, None
        else:
            decision = retry.decide(
                policy=endpoint.policy, attempt=item.attempts - item.manuals or 1, reason=reason, retry_after_s=asked,
                now=now, expires_at=endpoint.policy.expires_at(max(item.event.created, now) if item.run else item.event.created),
                random=random.random(),
            )  # fmt: skip
            if isinstance(decision, retry.RetryAt):
                outcome.wait_s, outcome.finish = (decision.at - now).total_seconds(), 0
            else:
                outcome.finish = _END[decision.state]
        if reason.disables:
            self.disable[endpoint.id] = "The endpoint answered 410 Gone."
        elif lane.failing_since is not None and self._loop.time() - lane.failing_since > FAILING_DAYS * DAY_S:
            self.disable[endpoint.id] = f"Every attempt of the last {FAILING_DAYS} days failed."

    def _end_unsent(
        self, lane: Lane, item: Item, reason: Reason, state: State, now: float, *, detail: str | None = None
    ) -> None:
        outcome = Outcome(lane.endpoint.id, item, now, lane.endpoint.version, reason, _END[state])
        outcome.detail = detail
        self.tally.attempt(reason, 0)
        lane.judge(item, ok=False, counts=False, now=self._loop.time(), random=0.5)
        lane.finished(item)
        if lane.subjects:
            self._subject_ended(lane, item, final=True)
        self._add(outcome)

    def _drop_cancelled(self, lane: Lane, item: Item) -> None:
        # Its end is recorded already, by the command that cancelled it.
        lane.cancelled.discard((item.event.seq, item.run))
        lane.due_taken.discard((item.event.seq, item.run))
        lane.finished(item)
        if lane.endpoint.ordering == "subject" and item.run == 0:
            self._subject_ended(lane, item, final=True)
        self.end_in_parcel(lane, item)

    def end_in_parcel(self, lane: Lane, item: Item) -> None:
        """One delivery of a parcel has its end (or its due row); the parcel goes with its last."""
        parcel = item.parcel
        if parcel is not None:
            item.parcel = None
            parcel.left -= 1
            if parcel.left <= 0:
                self.done.append(parcel)
                self.recordable.set()

    def _add(self, outcome: Outcome) -> None:
        item = outcome.item
        parcel = item.parcel
        if parcel is not None:
            item.parcel = None
            parcel.left -= 1
            if parcel.left <= 0:
                self.done.append(parcel)
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
