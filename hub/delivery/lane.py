"""One subscription's lane in the owner's memory: its queues, slots, breaker and rate. It decides what goes next, and sends nothing.

Backlog means that the tables hold more of this lane than memory: those rows are read when there is room, and never walked
while the lane may not send.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from hub.delivery import breaker as circuit
from hub.delivery import slots
from hub.delivery.breaker import Breaker, Permit, Phase, Transition
from hub.delivery.endpoint import Endpoint
from hub.delivery.items import Item, Parcel
from hub.delivery.rate import Bucket

MOST_ITEMS = 2000
MOST_BYTES = 8 * 1024 * 1024
PROCESS_BYTES = 96 * 1024 * 1024
REFILL_BELOW = 200
NEVER = float("inf")


class Store:
    """How many bytes of events wait in all lanes of the process together."""

    __slots__ = ("used",)

    def __init__(self) -> None:
        self.used = 0


class Subject:
    """Deliveries of one subject of an ordered subscription: one in flight, some waiting in memory, `rows` as dues."""

    __slots__ = ("busy", "rows", "waiting")

    def __init__(self) -> None:
        self.busy = False
        self.rows = 0
        self.waiting: deque[Item] = deque()


class Lane:
    """Touched by the owner's loop only. All times are that loop's monotonic seconds."""

    __slots__ = (
        "backlog",
        "breaker",
        "bucket",
        "bytes",
        "cancelled",
        "due_ended",
        "due_loading",
        "due_taken",
        "ended",
        "endpoint",
        "failing_since",
        "firsts",
        "floors",
        "generation",
        "in_flight",
        "live",
        "next_due",
        "refilling",
        "replays",
        "replays_in_flight",
        "retries",
        "retries_in_flight",
        "slots",
        "starved",
        "store",
        "subjects",
        "timer",
        "timer_at",
        "token_hold",
        "transitions",
    )  # fmt: skip

    def __init__(self, endpoint: Endpoint, store: Store) -> None:
        self.endpoint = endpoint
        self.store = store
        self.firsts: deque[Item] = deque()
        self.retries: deque[Item] = deque()
        self.replays: deque[Item] = deque()
        self.bytes = 0
        self.slots = slots.start(endpoint.parallelism)
        self.in_flight = self.retries_in_flight = self.replays_in_flight = 0
        self.breaker = Breaker()
        self.bucket = Bucket(endpoint.rate_limit, endpoint.rate_burst)
        self.token_hold = NEVER
        self.failing_since: float | None = None
        self.live: dict[tuple[int, int], Parcel] = {}
        self.floors: dict[int, int] = {}
        self.backlog = False
        self.generation = 0
        self.refilling = False
        self.ended: set[tuple[int, int]] = set()
        self.next_due = NEVER
        self.due_loading = False
        self.due_ended: set[tuple[int, int]] = set()
        self.due_taken: set[tuple[int, int]] = set()
        self.cancelled: set[tuple[int, int]] = set()
        self.subjects: dict[int, Subject] = {}
        self.timer_at = NEVER
        self.timer: Any = None
        self.starved = False
        self.transitions: list[Transition] = []

    def reconfigure(self, endpoint: Endpoint) -> None:
        """Take over a changed subscription; what is queued stays."""
        old, self.endpoint = self.endpoint, endpoint
        renewed = old.credentials != endpoint.credentials
        # Told otherwise, the simulator takes back what it brought about.
        honest = old.simulate is not None and old.simulate != endpoint.simulate
        free = honest or (renewed and self.bucket.held_until == self.token_hold)
        if free or (old.rate_limit, old.rate_burst) != (endpoint.rate_limit, endpoint.rate_burst):
            held = self.bucket.held_until
            self.bucket = Bucket(endpoint.rate_limit, endpoint.rate_burst)
            if not free:
                self.bucket.hold_until(held)
        self.slots = min(self.slots, endpoint.parallelism)
        if (
            renewed
            or honest
            or old.url != endpoint.url
            or (old.state != "active" and endpoint.state == "active")
        ):
            # A mended endpoint deserves a fresh judgement.
            self.breaker = Breaker()
            self.failing_since = None

    def hold_for_token(self, until: float) -> None:
        """Without a token nothing can go; other credentials end it."""
        self.bucket.hold_until(until)
        self.token_hold = until

    def takes(self, count: int, size: int) -> bool:
        """Is there room for these in memory, with everything older already there?"""
        return (
            not self.backlog
            and self.endpoint.sends
            and self.breaker.phase is not Phase.open
            and len(self.firsts) + count <= MOST_ITEMS
            and self.bytes + size <= MOST_BYTES
            and self.store.used + size <= PROCESS_BYTES
        )

    def push(self, items: list[Item], parcel: Parcel) -> None:
        """First attempts of one parcel."""
        self.live[parcel.key] = parcel
        if parcel.first > self.floors.get(parcel.src, 0):
            self.floors[parcel.src] = parcel.first
        self.firsts.extend(items)
        self.add_weight(sum(item.event.weight for item in items))

    def leave(self) -> None:
        """Rows were written for this lane that memory did not take."""
        self.backlog = True
        self.generation += 1

    def begin_loading(self) -> None:
        """Its due rows are about to be read. Whoever writes one from now on says so in `next_due`, which the read must not undo."""
        self.due_loading = True
        self.due_ended.clear()
        self.next_due = NEVER

    def loaded(self, later: float) -> None:
        """They were read: `later` is when to read again, by what was there."""
        self.due_loading = False
        self.next_due = min(self.next_due, later)

    def drop_memory(self) -> None:
        """Forget what is not in flight; it stays in its rows."""
        for item in self.firsts:
            self._untake(item)
        for subject in self.subjects.values():
            for item in subject.waiting:
                self._untake(item)
        for queue in (self.retries, self.replays):
            for item in queue:
                self.due_taken.discard((item.event.seq, item.run))
            if queue:
                self.next_due = 0.0
            queue.clear()
        if self.firsts or any(subject.waiting for subject in self.subjects.values()):
            self.floors.clear()
            self.leave()
        self.firsts.clear()
        for subject in self.subjects.values():
            subject.waiting.clear()
        self.add_weight(-self.bytes)

    def add_weight(self, size: int) -> None:
        """Bytes that came to wait in this lane, or left it."""
        self.bytes += size
        self.store.used += size

    def _untake(self, item: Item) -> None:
        if item.due:
            self.due_taken.discard((item.event.seq, item.run))
            self.next_due = 0.0
        if item.parcel is not None and item.parcel.taken is not None:
            item.parcel.taken.discard(item.event.seq)

    def limit(self) -> int:
        """How many may be in flight now."""
        bound = min(self.slots, self.endpoint.parallelism)
        return bound if self.breaker.phase is Phase.closed else circuit.limit(self.breaker, bound)

    def has_room(self) -> bool:
        if self.breaker.phase is Phase.closed:
            return self.in_flight < self.slots and self.in_flight < self.endpoint.parallelism
        return True

    def wants_more(self) -> bool:
        """Should rows be read for it now?"""
        return self.backlog and not self.refilling and self.endpoint.sends and len(self.firsts) < REFILL_BELOW

    def is_idle(self) -> bool:
        return not (
            self.firsts
            or self.retries
            or self.replays
            or self.in_flight
            or self.backlog
            or self.live
            or self.due_taken
        )

    def gate(self, now: float) -> float:
        """0.0: an attempt may go now (a probe was begun if one was due); else the time to ask again, or NEVER."""
        if not self.endpoint.sends:
            return NEVER
        state = self.breaker
        if state.phase is not Phase.closed:
            leave = circuit.may_send(state, now=now, in_flight=self.in_flight)
            if not isinstance(leave, Permit):
                return leave.until
            if leave.probe and not (self.firsts or self.retries or self.replays):
                return 0.0
        wait = self.bucket.take(now)
        return now + wait if wait else 0.0

    def begin(self, now: float) -> int:
        """The epoch under which the next attempt goes out; a probe makes the breaker half-open."""
        state = self.breaker
        if state.phase in (Phase.open, Phase.half_open):
            self.breaker, transition = circuit.begin_probe(state, now=now)
            if transition is not None:
                self.transitions.append(transition)
        return self.breaker.epoch

    def pick(self) -> Item | None:
        """The next delivery: retries and replays up to their share of the slots, first attempts always."""
        if self.retries and (self.retries_in_flight < slots.for_retries(self.slots) or not self.firsts):
            return self._started(self.retries.popleft())
        if self.replays and self.replays_in_flight < slots.for_replays(self.slots, alone=not self.firsts):
            return self._started(self.replays.popleft())
        if self.firsts:
            item = self.firsts.popleft()
            self.add_weight(-item.event.weight)
            return self._started(item)
        return None

    def _started(self, item: Item) -> Item:
        self.in_flight += 1
        if item.run:
            self.replays_in_flight += 1
        elif item.due:
            self.retries_in_flight += 1
        return item

    def finished(self, item: Item) -> None:
        """It is no longer in flight (recorded or not)."""
        self.in_flight -= 1
        if item.run:
            self.replays_in_flight -= 1
        elif item.due:
            self.retries_in_flight -= 1

    def judge(self, item: Item, *, ok: bool, counts: bool, now: float, random: float) -> Transition | None:
        """Tell slots and breaker what became of an attempt."""
        bound = self.endpoint.parallelism
        if ok:
            if self.slots < bound:
                self.slots += 1
            self.failing_since = None
        elif counts:
            self.slots = slots.after_failure(self.slots)
            if self.failing_since is None:
                self.failing_since = now
        self.breaker, transition = circuit.on_result(
            self.breaker, epoch=item.epoch, ok=ok, counts=counts, now=now, random=random, bound=bound
        )
        if transition is not None:
            self.transitions.append(transition)
        return transition
