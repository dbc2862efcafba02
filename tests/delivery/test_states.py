"""From any sequence of triggers a final state is never left, and every delivery comes to exactly one end."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from hub.delivery.states import (
    FINAL,
    OPEN,
    TRANSITIONS,
    WORDS,
    IllegalTransition,
    State,
    Trigger,
    next_state,
    state_of,
    state_of_end,
)


def test_the_stored_ends_never_change() -> None:
    assert {state.value: word.end for state, word in WORDS.items()} == {
        **dict.fromkeys(["waiting", "retrying", "held"], 0),
        **{"delivered": 1, "dead": 2, "cancelled": 3, "expired": 4, "expunged": 5, "handed over": 6},
    }


@pytest.mark.parametrize("state", State)
def test_every_state_has_a_word_and_a_place(state: State) -> None:
    word = WORDS[state]
    assert word.final is (state in FINAL) is (state not in OPEN)
    assert word.meaning.endswith(".")
    assert word.stands_in == ("attempt" if word.final else "parcel" if state is State.waiting else "due")
    assert [other for other in WORDS.values() if other.label == word.label] == [word]


@pytest.mark.parametrize(
    ("state", "trigger", "after"),
    [
        (State.waiting, Trigger.attempt_succeeded, State.delivered),
        (State.waiting, Trigger.attempt_failed_will_retry, State.retrying),
        (State.waiting, Trigger.attempt_failed_gave_up, State.dead),
        (State.waiting, Trigger.hold, State.held),
        (State.waiting, Trigger.manual_retry, State.waiting),
        (State.retrying, Trigger.attempt_succeeded, State.delivered),
        (State.retrying, Trigger.attempt_failed_will_retry, State.retrying),
        (State.retrying, Trigger.attempt_failed_gave_up, State.dead),
        (State.retrying, Trigger.manual_retry, State.retrying),
        (State.held, Trigger.release, State.waiting),
        *((state, Trigger.cancel, State.cancelled) for state in OPEN),
        *((state, Trigger.expire, State.expired) for state in OPEN),
        *((state, Trigger.expunge, State.expunged) for state in OPEN),
        *((state, Trigger.hand_over, State.handed_over) for state in OPEN),
    ],
)
def test_an_open_delivery_goes_where_the_table_says(state: State, trigger: Trigger, after: State) -> None:
    assert next_state(state, trigger) is after


def test_the_table_has_no_transition_besides_those() -> None:
    assert sum(len(row) for row in TRANSITIONS.values()) == 22
    assert set(TRANSITIONS) == set(State)


@pytest.mark.parametrize("state", sorted(FINAL))
@pytest.mark.parametrize("trigger", Trigger)
def test_a_final_state_is_never_left(state: State, trigger: Trigger) -> None:
    with pytest.raises(IllegalTransition, match=f"the delivery is {state}. That is final; requeue it"):
        next_state(state, trigger)


def test_nothing_is_sent_while_it_is_held() -> None:
    for trigger in (
        Trigger.attempt_succeeded,
        Trigger.attempt_failed_will_retry,
        Trigger.attempt_failed_gave_up,
    ):
        with pytest.raises(IllegalTransition, match="is held"):
            next_state(State.held, trigger)


def test_a_refused_manual_retry_says_what_to_retry_instead() -> None:
    with pytest.raises(IllegalTransition) as refused:
        next_state(State.held, Trigger.manual_retry)
    assert str(refused.value) == (
        "'Manual retry' is not possible: the delivery is held. "
        "Retry or cancel the earlier delivery of its subject, and this one follows."
    )
    assert (refused.value.state, refused.value.trigger) == (State.held, Trigger.manual_retry)


def test_an_illegal_trigger_says_which_ones_are_possible() -> None:
    with pytest.raises(
        IllegalTransition, match=r"Possible now: cancel, expire, expunge, hand over, release\.$"
    ):
        next_state(State.held, Trigger.hold)


@pytest.mark.parametrize(
    ("end", "in_due", "held", "attempted", "state"),
    [
        (0, False, False, False, State.waiting),
        (0, True, False, False, State.waiting),
        (0, True, True, False, State.held),
        (0, True, False, True, State.retrying),
        (1, False, False, True, State.delivered),
        (2, True, True, True, State.dead),
        (6, False, False, False, State.handed_over),
    ],
)
def test_the_facts_add_up_to_a_state(
    end: int, in_due: bool, held: bool, attempted: bool, state: State
) -> None:
    assert state_of(end=end, in_due=in_due, held=held, attempted=attempted) is state


@pytest.mark.parametrize("end", [-1, 0, 7])
def test_a_number_that_is_no_end_is_refused(end: int) -> None:
    with pytest.raises(
        ValueError, match=rf"^{end} is no end of a delivery; the ends are \[1, 2, 3, 4, 5, 6\]$"
    ):
        state_of_end(end)


class Life(RuleBasedStateMachine):
    """Any triggers in any order; the facts that the accepted ones leave behind must tell the same story."""

    def __init__(self) -> None:
        super().__init__()
        self.state = State.waiting
        self.ends: list[int] = []
        self.attempted = False

    @rule(trigger=st.sampled_from(Trigger))
    def happens(self, trigger: Trigger) -> None:
        before = self.state
        try:
            self.state = next_state(before, trigger)
        except IllegalTransition:
            assert trigger not in TRANSITIONS[before]
            return
        assert before not in FINAL
        self.attempted |= self.state is State.retrying
        if self.state in FINAL:
            self.ends.append(WORDS[self.state].end)

    @rule()
    def it_can_still_come_to_an_end(self) -> None:
        if self.state in OPEN:
            assert next_state(self.state, Trigger.expire) is State.expired

    @invariant()
    def it_has_one_end_if_it_is_final_and_none_before(self) -> None:
        assert len(self.ends) == (self.state in FINAL)
        assert (
            state_of(
                end=self.ends[0] if self.ends else 0,
                in_due=self.state in (State.held, State.retrying),
                held=self.state is State.held,
                attempted=self.attempted,
            )
            is self.state
        )


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
