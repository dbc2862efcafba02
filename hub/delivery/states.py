"""The one table of a delivery's states: their words, where they stand, and which may follow which.

It never reads or writes a row: states are derived from facts that others keep.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class State(StrEnum):
    waiting = "waiting"
    retrying = "retrying"
    held = "held"
    delivered = "delivered"
    dead = "dead"
    cancelled = "cancelled"
    expired = "expired"
    expunged = "expunged"
    handed_over = "handed over"


class Trigger(StrEnum):
    attempt_succeeded = "attempt succeeded"
    attempt_failed_will_retry = "attempt failed, will retry"
    attempt_failed_gave_up = "attempt failed, gave up"
    hold = "hold"
    release = "release"
    cancel = "cancel"
    expire = "expire"
    expunge = "expunge"
    hand_over = "hand over"
    manual_retry = "manual retry"


@dataclass(frozen=True, slots=True)
class Word:
    """What the console calls a state, what it means, the table it is read from, and its `attempt.end`."""

    label: str
    meaning: str
    stands_in: str
    end: int

    @property
    def final(self) -> bool:
        return self.end != NOT_FINAL


NOT_FINAL: Final = 0

WORDS: Final[dict[State, Word]] = {
    State.waiting: Word("Waiting", "Not tried yet.", "parcel", NOT_FINAL),
    State.retrying: Word("Retrying", "Failed, and will be tried again.", "due", NOT_FINAL),
    State.held: Word("Held", "Waits for an earlier delivery of its subject.", "due", NOT_FINAL),
    State.delivered: Word("Delivered", "The endpoint took it.", "attempt", 1),
    State.dead: Word("Dead letter", "Failed for good; can be requeued.", "attempt", 2),
    State.cancelled: Word("Cancelled", "Ended by a person, or with its subscription.", "attempt", 3),
    State.expired: Word("Expired", "Grew older than its subscription allows.", "attempt", 4),
    State.expunged: Word("Expunged", "Ended because its event was erased.", "attempt", 5),
    State.handed_over: Word("Handed over", "Goes on as another delivery.", "attempt", 6),
}
FINAL: Final = frozenset(state for state, word in WORDS.items() if word.final)
OPEN: Final = frozenset(WORDS) - FINAL
_BY_END: Final = {word.end: state for state, word in WORDS.items() if word.final}

_ENDS_FROM_OUTSIDE: Final = {
    Trigger.cancel: State.cancelled,
    Trigger.expire: State.expired,
    Trigger.expunge: State.expunged,
    Trigger.hand_over: State.handed_over,
}
_AFTER_AN_ATTEMPT: Final = {
    Trigger.attempt_succeeded: State.delivered,
    Trigger.attempt_failed_will_retry: State.retrying,
    Trigger.attempt_failed_gave_up: State.dead,
}
# A manual retry only brings the next attempt forward: the state changes with what that attempt comes to.
# Nothing is held once it was tried: it is then itself the open one that others wait behind.
TRANSITIONS: Final[dict[State, dict[Trigger, State]]] = {
    State.waiting: {
        **_AFTER_AN_ATTEMPT,
        **_ENDS_FROM_OUTSIDE,
        Trigger.hold: State.held,
        Trigger.manual_retry: State.waiting,
    },
    State.retrying: {**_AFTER_AN_ATTEMPT, **_ENDS_FROM_OUTSIDE, Trigger.manual_retry: State.retrying},
    State.held: {**_ENDS_FROM_OUTSIDE, Trigger.release: State.waiting},
    **{state: {} for state in FINAL},
}


class IllegalTransition(ValueError):
    """The trigger cannot happen to a delivery in this state."""

    def __init__(self, *, state: State, trigger: Trigger) -> None:
        self.state = state
        self.trigger = trigger
        super().__init__(
            f"{trigger.capitalize()!r} is not possible: the delivery is {state}. {_advice(state, trigger)}"
        )


def _advice(state: State, trigger: Trigger) -> str:
    if state in FINAL:
        return "That is final; requeue it to start a new run."
    if state is State.held and trigger is Trigger.manual_retry:
        return "Retry or cancel the earlier delivery of its subject, and this one follows."
    return f"Possible now: {', '.join(sorted(TRANSITIONS[state]))}."


def next_state(state: State, trigger: Trigger) -> State:
    """The state after `trigger`; IllegalTransition if the table has none."""
    after = TRANSITIONS[state].get(trigger)
    if after is None:
        raise IllegalTransition(state=state, trigger=trigger)
    return after


def state_of(*, end: int, in_due: bool, held: bool, attempted: bool) -> State:
    """The state that the facts of one run add up to.

    `end` of its last attempt row (0 if none); has it a due row, and is that held; was it ever tried?
    A due row that was released but never tried still reads as waiting.
    """
    if end != NOT_FINAL:
        return state_of_end(end)
    if in_due and held:
        return State.held
    return State.retrying if attempted else State.waiting


def state_of_end(end: int) -> State:
    """The final state stored as `end`; ValueError for a number that stands for none."""
    state = _BY_END.get(end)
    if state is None:
        raise ValueError(f"{end} is no end of a delivery; the ends are {sorted(_BY_END)}")
    return state
