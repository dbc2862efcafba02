"""Ten attempts with the default policy, each at a jittered time, unless a reason says no or time runs out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hub.delivery.outcome import Reason
from hub.delivery.retry import RETRY_AFTER_CAP_S, GiveUp, Policy, RetryAt, decide, decide_manual, jittered
from hub.delivery.states import State

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FAR = NOW + timedelta(days=14)
RETRYABLE = [reason for reason in Reason if reason.retryable]
PERMANENT = [reason for reason in Reason if reason.permanent]


def decided(
    *,
    policy: Policy | None = None,
    attempt: int = 1,
    reason: Reason = Reason.http_5xx,
    retry_after_s: float | None = None,
    expires_at: datetime = FAR,
    random: float = 0.0,
) -> RetryAt | GiveUp:
    return decide(
        policy=policy or Policy(),
        attempt=attempt,
        reason=reason,
        retry_after_s=retry_after_s,
        now=NOW,
        expires_at=expires_at,
        random=random,
    )


def wait_s(decision: RetryAt | GiveUp) -> float:
    assert isinstance(decision, RetryAt)
    return (decision.at - NOW).total_seconds()


def test_the_default_policy_makes_ten_attempts() -> None:
    decisions = [decided(attempt=attempt) for attempt in range(1, 11)]
    assert [isinstance(decision, RetryAt) for decision in decisions] == [True] * 9 + [False]
    assert decisions[9] == GiveUp(Reason.http_5xx, State.dead)
    assert Policy().attempts == 10


@pytest.mark.parametrize(
    ("attempt", "random", "seconds"),
    [(1, 0.0, 0.5), (1, 0.5, 2.75), (2, 0.0, 30.0), (2, 0.5, 165.0), (9, 0.0, 8_640.0), (9, 0.5, 47_520.0)],
)
def test_a_wait_is_drawn_from_a_tenth_of_its_step_to_all_of_it(
    attempt: int, random: float, seconds: float
) -> None:
    assert wait_s(decided(attempt=attempt, random=random)) == pytest.approx(seconds, abs=1e-6)


@settings(deadline=None)
@given(step=st.integers(1, 604_800), random=st.floats(0, 1, exclude_max=True))
def test_jitter_stays_within_its_step(step: int, random: float) -> None:
    assert step * 0.1 <= jittered(step, random=random) <= step


@pytest.mark.parametrize("reason", PERMANENT)
def test_what_is_permanent_gives_up_at_once(reason: Reason) -> None:
    end = State.expired if reason is Reason.expired else State.dead
    assert decided(reason=reason, retry_after_s=5.0) == GiveUp(reason, end)


@pytest.mark.parametrize("reason", RETRYABLE)
def test_what_is_retryable_is_tried_again_and_keeps_its_reason(reason: Reason) -> None:
    assert decided(reason=reason) == RetryAt(NOW + timedelta(seconds=0.5), reason)


@pytest.mark.parametrize(
    ("reason", "asked", "random", "seconds"),
    [
        (Reason.http_429, 60.0, 0.0, 60.0),
        (Reason.http_5xx, 60.0, 0.0, 60.0),
        (Reason.http_429, 60.0, 0.5, 63.0),
        (Reason.http_429, 0.0, 0.0, 0.5),
        (Reason.http_429, 1e18, 0.5, 86_400.0),
        (Reason.http_429, 86_400.0, 0.5, 86_400.0),
        (Reason.http_4xx, 60.0, 0.0, 0.5),
        (Reason.read_timeout, 60.0, 0.0, 0.5),
    ],
)
def test_retry_after_is_heeded_where_it_means_something(
    reason: Reason, asked: float, random: float, seconds: float
) -> None:
    found = wait_s(decided(reason=reason, retry_after_s=asked, random=random))
    assert found == pytest.approx(seconds, abs=1e-6)


def test_retry_after_never_brings_a_retry_forward() -> None:
    assert wait_s(decided(attempt=9, reason=Reason.http_429, retry_after_s=1.0)) == 8_640.0


@settings(deadline=None)
@given(
    attempt=st.integers(1, 9),
    asked=st.floats(0, 1e12),
    random=st.floats(0, 1, exclude_max=True),
    reason=st.sampled_from([Reason.http_429, Reason.http_5xx]),
)
def test_a_retry_is_never_earlier_than_asked_up_to_the_cap(
    attempt: int, asked: float, random: float, reason: Reason
) -> None:
    found = wait_s(decided(attempt=attempt, reason=reason, retry_after_s=asked, random=random))
    assert min(asked, RETRY_AFTER_CAP_S) <= found + 1e-6
    assert found <= RETRY_AFTER_CAP_S


def test_a_retry_that_would_come_too_late_expires_now() -> None:
    just = NOW + timedelta(seconds=0.5)
    assert decided(expires_at=just) == RetryAt(just, Reason.http_5xx)
    assert decided(expires_at=just - timedelta(microseconds=1)) == GiveUp(Reason.expired, State.expired)
    assert decided(reason=Reason.http_429, retry_after_s=9.0, expires_at=just) == GiveUp(
        Reason.expired, State.expired
    )


def test_the_last_attempt_is_dead_and_not_expired_even_when_it_is_late() -> None:
    assert decided(attempt=10, expires_at=NOW) == GiveUp(Reason.http_5xx, State.dead)


def test_an_empty_schedule_means_one_attempt() -> None:
    assert decided(policy=Policy(schedule_s=())) == GiveUp(Reason.http_5xx, State.dead)


def test_an_attempt_is_counted_from_one() -> None:
    with pytest.raises(ValueError, match="attempt is 0; count the first attempt as 1"):
        decided(attempt=0)


def test_the_maximum_age_runs_from_acceptance() -> None:
    assert Policy(max_age_s=60).expires_at(NOW) == NOW + timedelta(seconds=60)


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.delivered])
def test_a_failed_manual_retry_leaves_the_plan_as_it_was(reason: Reason) -> None:
    assert decide_manual(planned_at=FAR, reason=reason) == RetryAt(FAR, reason)


class Schedule(RuleBasedStateMachine):
    """Automatic and manual failures in any order: manual ones never move the plan nor use up an attempt."""

    def __init__(self) -> None:
        super().__init__()
        self.policy = Policy(schedule_s=(5, 300, 1_800), max_age_s=100_000)
        self.now = NOW
        self.automatic = 0
        self.planned: datetime | None = NOW
        self.end: GiveUp | None = None

    @precondition(lambda self: self.end is None)
    @rule(reason=st.sampled_from(RETRYABLE), random=st.floats(0, 1, exclude_max=True))
    def an_automatic_attempt_fails(self, reason: Reason, random: float) -> None:
        assert self.planned is not None
        self.now = max(self.now, self.planned)
        self.automatic += 1
        decision = decide(
            policy=self.policy,
            attempt=self.automatic,
            reason=reason,
            retry_after_s=None,
            now=self.now,
            expires_at=self.policy.expires_at(NOW),
            random=random,
        )
        if isinstance(decision, GiveUp):
            self.end, self.planned = decision, None
        else:
            assert self.now < decision.at
            self.planned = decision.at

    @precondition(lambda self: self.end is None and self.automatic > 0)
    @rule(reason=st.sampled_from(RETRYABLE + PERMANENT))
    def a_manual_attempt_fails(self, reason: Reason) -> None:
        assert self.planned is not None
        before = self.planned
        self.planned = decide_manual(planned_at=before, reason=reason).at
        assert self.planned == before

    @rule(seconds=st.integers(1, 40_000))
    def it_waits_behind_an_open_breaker(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @invariant()
    def it_ends_by_its_attempts_or_its_age_and_by_nothing_else(self) -> None:
        assert self.automatic <= self.policy.attempts
        if self.end is None:
            assert self.planned is not None
            assert self.planned <= self.policy.expires_at(NOW)
        elif self.end.state is State.dead:
            assert self.automatic == self.policy.attempts
        else:
            assert self.end == GiveUp(Reason.expired, State.expired)
            assert self.now + timedelta(seconds=max(self.policy.schedule_s)) > self.policy.expires_at(NOW)


TestSchedule = Schedule.TestCase
TestSchedule.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
