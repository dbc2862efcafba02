"""Whatever is sent, comes back, gets lost or comes late: a breaker keeps its word, and can always recover."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hub.delivery import breaker
from hub.delivery.breaker import Breaker, Permit, Phase, Transition, Wait

BOUND = 8
ALLOWED = {
    (Phase.closed, Phase.open),
    (Phase.open, Phase.half_open),
    (Phase.open, Phase.ramp),
    (Phase.half_open, Phase.half_open),
    (Phase.half_open, Phase.open),
    (Phase.half_open, Phase.ramp),
    (Phase.ramp, Phase.open),
    (Phase.ramp, Phase.closed),
}
DRAWS = st.floats(0, 1, exclude_max=True)


@dataclass(frozen=True)
class Sent:
    epoch: int
    forced: bool


class Life(RuleBasedStateMachine):
    """An owner that sends when it may, forces an attempt now and then, and hears results in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000.0
        self.state = Breaker()
        self.out: list[Sent] = []
        self.failed_in_a_row = 0

    def moved(self, after: Breaker, move: Transition | None) -> None:
        before, self.state = self.state, after
        if move is None:
            assert after.phase is before.phase
            assert after.epoch == before.epoch
            return
        assert (move.old, move.new) == (before.phase, after.phase)
        assert (move.old, move.new) in ALLOWED
        assert (move.at, move.until, move.streak) == (self.now, after.until, after.streak)
        assert after.epoch - before.epoch == (move.new in (Phase.open, Phase.half_open))
        if move.new is Phase.open:
            assert 0.5 <= move.until - self.now <= breaker.LONGEST_PAUSE_S
        self.failed_in_a_row = 0

    def under_this_epoch(self) -> list[Sent]:
        return [sent for sent in self.out if sent.epoch == self.state.epoch]

    @rule(seconds=st.sampled_from([0.0, 0.1, 1.0, 7.0, 60.0, 400.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def something_wants_to_go(self) -> None:
        leave = breaker.may_send(self.state, now=self.now, in_flight=len(self.under_this_epoch()))
        if isinstance(leave, Wait):
            assert leave.until > self.now
            assert self.state.phase is not Phase.closed
            assert isfinite(leave.until) or self.under_this_epoch()
            return
        if leave.probe:
            self.moved(*breaker.begin_probe(self.state, now=self.now))
            assert not self.under_this_epoch()
        assert leave.epoch == self.state.epoch
        self.out.append(Sent(leave.epoch, forced=False))

    @rule()
    def a_person_forces_an_attempt(self) -> None:
        self.out.append(Sent(self.state.epoch, forced=True))

    @precondition(lambda self: self.out)
    @rule(data=st.data(), kind=st.sampled_from(["ok", "failed", "failed", "uncounted"]), random=DRAWS)
    def a_result_comes(self, data: st.DataObject, kind: str, random: float) -> None:
        sent = self.out.pop(data.draw(st.integers(0, len(self.out) - 1)))
        before = self.state
        fresh = sent.epoch == before.epoch
        if fresh and before.phase is Phase.closed and kind != "uncounted":
            self.failed_in_a_row = self.failed_in_a_row + 1 if kind == "failed" else 0
        must_open = self.failed_in_a_row == breaker.STREAK_TO_OPEN
        after, move = breaker.on_result(
            before,
            epoch=sent.epoch,
            ok=kind == "ok",
            counts=kind == "failed",
            now=self.now,
            random=random,
            bound=BOUND,
        )
        if not fresh:
            assert (after is before, move) == (True, None)
        elif before.phase in (Phase.half_open, Phase.ramp) and kind == "failed":
            assert after.phase is Phase.open
            assert after.streak == before.streak + 1
        elif kind == "ok":
            assert after.phase is not Phase.open
        if must_open:
            assert after.phase is Phase.open
        self.moved(after, move)

    @precondition(lambda self: self.out)
    @rule()
    def a_result_is_lost(self) -> None:
        self.out.pop()

    @rule()
    def another_owner_takes_over(self) -> None:
        state = self.state
        after = breaker.restore(
            phase=state.phase, since=state.since, until=state.until, streak=state.streak, now=self.now
        )
        assert (after.phase is Phase.closed) is (state.phase is Phase.closed)
        self.state, self.out, self.failed_in_a_row = after, [], 0

    @invariant()
    def no_more_go_than_its_phase_allows(self) -> None:
        unforced = sum(not sent.forced for sent in self.under_this_epoch())
        if self.state.phase is Phase.open:
            assert unforced == 0
        elif self.state.phase is Phase.half_open:
            assert unforced <= 1
        assert 0 <= breaker.limit(self.state, BOUND) <= BOUND

    @invariant()
    def an_endpoint_that_is_well_again_is_soon_served_in_full(self) -> None:
        state, now = self.state, self.now
        for _ in range(8):
            leave = breaker.may_send(state, now=now, in_flight=0)
            if isinstance(leave, Wait):
                now = leave.until
                leave = breaker.may_send(state, now=now, in_flight=0)
            assert isinstance(leave, Permit)
            if leave.probe:
                state, _ = breaker.begin_probe(state, now=now)
            state, _ = breaker.on_result(
                state, epoch=leave.epoch, ok=True, counts=False, now=now, random=0.5, bound=BOUND
            )
        assert state.phase is Phase.closed
        assert now - self.now <= breaker.LONGEST_PAUSE_S


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
