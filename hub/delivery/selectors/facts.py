"""One run of a delivery: its parcel, its due row and its last attempt, and the state they add up to. Reads nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from hub.core import ids
from hub.delivery.outcome import Reason
from hub.delivery.selectors.targets import Target
from hub.delivery.states import State, state_of
from hub.eventlog.selectors import Event

Key = tuple[int, int, int]
"""(offset of the event, number of the subscription, run)."""
TOP: Final[Key] = (2**63 - 1, 2**31 - 1, 2**31 - 1)


@dataclass(frozen=True, slots=True)
class Last:
    """The last attempt, or the end that was recorded without one. `total_us`: None if nothing was sent."""

    n: int
    pos: int
    at: datetime
    http: int
    reason: Reason
    finish: int
    next_at: datetime | None
    total_us: int | None


@dataclass(frozen=True, slots=True)
class Due:
    due_at: datetime
    attempts: int
    held: bool


@dataclass(slots=True)
class Delivery:
    """What is known of one run. `event` is filled in by whoever found it, `breaker_until` for a single one."""

    target: Target
    seq: int
    run: int
    src: int
    day: date
    last: Last | None = None
    due: Due | None = None
    waits_since: datetime | None = None
    event: Event | None = field(default=None, repr=False)
    breaker_until: datetime | None = None

    @property
    def key(self) -> Key:
        return self.seq, self.target.id, self.run

    @property
    def id(self) -> str:
        assert self.event is not None
        return ids.delivery_id(self.event.id, self.target.id, self.run)

    @property
    def state(self) -> State:
        """What its facts add up to. What was open when its subscription was deleted is cancelled."""
        last, due = self.last, self.due
        state = state_of(
            end=last.finish if last else 0,
            in_due=due is not None,
            held=due is not None and due.held,
            attempted=(last is not None) or (due is not None and due.attempts > 0),
        )
        if self.target.deleted_at is not None and (last is None or not last.finish):
            return State.cancelled
        return state

    @property
    def attempts(self) -> int:
        return max(self.last.n if self.last else 0, self.due.attempts if self.due else 0)

    @property
    def next_at(self) -> datetime | None:
        """When it is tried again, behind an open breaker at the earliest; a held one has no time of its own."""
        times = [self.due.due_at] if self.due is not None and self.state is State.retrying else []
        if self.breaker_until is not None and self.state in (State.waiting, State.retrying):
            times.append(self.breaker_until)
        return max(times, default=None)

    @property
    def at(self) -> datetime | None:
        """When it was last tried or ended."""
        if self.last is not None:
            return self.last.at
        return self.target.deleted_at if self.state is State.cancelled else None

    @property
    def reason(self) -> Reason | None:
        """Why the last attempt, or the delivery, ended as it did; or what keeps it from its first attempt."""
        if self.target.deleted_at is not None and (self.last is None or not self.last.finish):
            return Reason.subscription_deleted
        if self.last is None and self.breaker_until is not None:
            return Reason.breaker_open
        return self.last.reason if self.last else None
