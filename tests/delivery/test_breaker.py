"""A breaker opens on every sign it should, lets one probe out, ramps up, and ignores what is stale."""

from __future__ import annotations

from math import inf

import pytest

from hub.delivery.breaker import (
    FIRST_PAUSE_S,
    PROBE_PATIENCE_S,
    Breaker,
    Cause,
    Permit,
    Phase,
    Transition,
    Wait,
    begin_probe,
    limit,
    may_send,
    on_result,
    restore,
)

BOUND = 8


def fed(
    state: Breaker, results: str, *, now: float = 100.0, random: float = 0.5, bound: int = BOUND
) -> tuple[Breaker, list[Transition]]:
    """Results sent under the present epoch: "+" succeeded, "-" failed, "o" failed but doesn't count."""
    moves = []
    for result in results:
        state, move = on_result(
            state,
            epoch=state.epoch,
            ok=result == "+",
            counts=result == "-",
            now=now,
            random=random,
            bound=bound,
        )
        if move is not None:
            moves.append(move)
    return state, moves


def opened(*, now: float = 100.0, random: float = 0.5) -> Breaker:
    return fed(Breaker(), "-----", now=now, random=random)[0]


def probing(*, now: float = 200.0) -> Breaker:
    return begin_probe(opened(), now=now)[0]


def ramping() -> Breaker:
    return fed(probing(), "+")[0]


def test_a_new_breaker_is_closed_and_lets_all_through() -> None:
    assert may_send(Breaker(), now=0.0, in_flight=1_000) == Permit(epoch=0)
    assert limit(Breaker(), 64) == 64


@pytest.mark.parametrize(
    ("results", "cause"),
    [
        ("----", None),
        ("-----", Cause.in_a_row),
        ("----+----", None),
        ("--o--o-", Cause.in_a_row),
        ("+" * 100 + "-----", Cause.in_a_row),
        ("ooooo" * 10, None),
        ("+-" * 9 + "+", None),
        ("+-" * 10, Cause.half_failed),
        ("++-" * 60, None),
        ("+" * 200 + "--+" * 24 + "-", None),
        ("+" * 200 + "--+" * 24 + "--", Cause.half_failed),
        ("-" * 4 + "+" * 100 + ("---+" * 16) + "--", Cause.half_failed),
    ],
)
def test_it_opens_after_five_in_a_row_or_half_of_the_last_hundred(results: str, cause: Cause | None) -> None:
    state, moves = fed(Breaker(), results)
    assert [move.reason for move in moves] == ([cause] if cause else [])
    assert state.phase is (Phase.open if cause else Phase.closed)


def test_a_success_never_opens_it_even_when_half_failed() -> None:
    results = "----+" * 3 + "----"
    state, moves = fed(Breaker(), results + "+")
    assert (state.phase, moves, state.seen, state.window.bit_count()) == (Phase.closed, [], 20, 16)
    assert fed(state, "-")[0].phase is Phase.open


def test_the_window_forgets_what_is_older_than_a_hundred() -> None:
    state, _ = fed(Breaker(), "----" + "+" * 99)
    assert (state.window.bit_count(), state.seen) == (1, 100)
    assert fed(state, "+")[0].window == 0


def test_a_healthy_breaker_is_not_made_anew() -> None:
    state, _ = fed(Breaker(), "+" * 100)
    assert fed(state, "+")[0] is state


def test_opening_is_told_in_full() -> None:
    state, moves = fed(Breaker(), "-----", now=100.0, random=0.5)
    assert moves == [Transition(Phase.closed, Phase.open, 100.0, 102.75, 1, Cause.in_a_row)]
    assert (state.since, state.until, state.streak, state.epoch) == (100.0, 102.75, 1, 1)
    assert limit(state, 64) == 0


def test_an_open_breaker_burns_no_retries() -> None:
    state = opened(now=100.0)
    for now in (100.0, 101.0, 102.74):
        assert may_send(state, now=now, in_flight=0) == Wait(102.75)


def test_after_the_pause_one_probe_goes_and_no_second() -> None:
    state = opened(now=100.0)
    assert may_send(state, now=102.75, in_flight=50) == Permit(epoch=2, probe=True)
    state, move = begin_probe(state, now=103.0)
    assert move == Transition(
        Phase.open, Phase.half_open, 103.0, 103.0 + PROBE_PATIENCE_S, 1, Cause.pause_over
    )
    assert (state.epoch, limit(state, 64)) == (2, 1)
    for now in (103.0, 150.0, 222.9):
        assert may_send(state, now=now, in_flight=0) == Wait(103.0 + PROBE_PATIENCE_S)


def test_a_probe_that_never_comes_back_is_replaced_and_its_late_result_ignored() -> None:
    state, _ = begin_probe(opened(), now=200.0)
    assert may_send(state, now=320.0, in_flight=1) == Permit(epoch=3, probe=True)
    again, move = begin_probe(state, now=320.0)
    assert move is not None
    assert (move.old, move.new) == (Phase.half_open, Phase.half_open)
    assert on_result(again, epoch=2, ok=True, counts=False, now=321.0, random=0.5, bound=8) == (again, None)


@pytest.mark.parametrize("state", [Breaker(), opened(), probing(), ramping()])
def test_no_probe_begins_without_leave(state: Breaker) -> None:
    with pytest.raises(ValueError, match=r"no probe may go: .*; ask may_send first"):
        begin_probe(state, now=101.0)


def test_a_probe_that_succeeds_starts_a_ramp_that_doubles_up_to_the_bound() -> None:
    state, moves = fed(probing(), "+", now=201.0)
    assert moves == [Transition(Phase.half_open, Phase.ramp, 201.0, 0.0, 1, Cause.probe_succeeded)]
    limits = [limit(state, BOUND)]
    while state.phase is Phase.ramp:
        assert may_send(state, now=202.0, in_flight=state.ramp) == Wait(inf)
        assert may_send(state, now=202.0, in_flight=state.ramp - 1) == Permit(state.epoch)
        state, moves = fed(state, "+", now=202.0)
        limits.append(limit(state, BOUND))
    assert limits == [1, 2, 4, 8]
    assert moves == [Transition(Phase.ramp, Phase.closed, 202.0, 0.0, 0, Cause.recovered)]
    assert (state.window, state.seen, state.streak) == (0, 0, 0)


@pytest.mark.parametrize(("bound", "successes"), [(1, 1), (2, 1), (3, 2), (64, 6), (256, 8)])
def test_a_ramp_reaches_every_bound(bound: int, successes: int) -> None:
    state, _ = fed(ramping(), "+" * (successes - 1), bound=bound)
    assert state.phase is Phase.ramp
    assert fed(state, "+", bound=bound)[0].phase is Phase.closed


def test_a_ramp_never_allows_more_than_a_bound_that_was_lowered() -> None:
    state, _ = fed(ramping(), "++", bound=64)
    assert (limit(state, 64), limit(state, 2)) == (4, 2)


@pytest.mark.parametrize("state", [probing(), ramping()], ids=["half-open", "ramp"])
def test_a_failure_on_the_way_back_reopens_with_a_longer_pause(state: Breaker) -> None:
    after, moves = fed(state, "-", now=300.0, random=0.5)
    cause = Cause.ramp_failed if state.phase is Phase.ramp else Cause.probe_failed
    assert moves == [Transition(state.phase, Phase.open, 300.0, 305.5, 2, cause)]
    assert after.epoch == state.epoch + 1


def test_pauses_double_from_five_seconds_to_five_minutes() -> None:
    state, longest = opened(random=1.0), []
    for _ in range(9):
        longest.append(round(state.until - state.since, 6))
        state, _ = begin_probe(state, now=state.until)
        state, _ = fed(state, "-", now=state.since, random=1.0)
    assert longest == [5, 10, 20, 40, 80, 160, 300, 300, 300]


@pytest.mark.parametrize("random", [0.0, 0.25, 0.999])
def test_pauses_are_spread_over_their_whole_length(random: float) -> None:
    state = opened(random=random)
    assert state.until - state.since == pytest.approx(FIRST_PAUSE_S * (0.1 + 0.9 * random))


def test_a_recovery_makes_the_next_pause_short_again() -> None:
    state, _ = fed(probing(), "-")
    state, _ = begin_probe(state, now=1_000.0)
    state, _ = fed(state, "++++" + "-----", now=1_000.0, random=1.0)
    assert (state.phase, state.streak, state.until) == (Phase.open, 1, 1_005.0)


def test_a_probe_that_proves_nothing_pauses_again_but_no_longer() -> None:
    state, moves = fed(probing(), "o", now=300.0, random=0.5)
    assert moves == [Transition(Phase.half_open, Phase.open, 300.0, 302.75, 1, Cause.probe_undecided)]
    assert isinstance(may_send(state, now=300.0, in_flight=0), Wait)


def test_what_does_not_count_leaves_a_ramp_alone() -> None:
    state = ramping()
    assert fed(state, "ooo") == (state, [])


@pytest.mark.parametrize("state", [opened(), probing(), ramping(), fed(ramping(), "+++")[0]])
@pytest.mark.parametrize("ok", [True, False])
def test_a_late_result_from_before_the_opening_changes_nothing(state: Breaker, ok: bool) -> None:
    for epoch in range(state.epoch):
        found = on_result(state, epoch=epoch, ok=ok, counts=not ok, now=300.0, random=0.5, bound=8)
        assert found == (state, None)


def test_a_forced_attempt_that_succeeds_while_it_is_open_starts_the_ramp() -> None:
    state, moves = fed(opened(), "--o+", now=101.0)
    assert [move.reason for move in moves] == [Cause.forced_succeeded]
    assert limit(state, 64) == 1


def test_an_open_one_is_restored_with_its_pause_and_its_streak() -> None:
    state = restore(phase=Phase.open, since=100.0, until=140.0, streak=4, now=110.0)
    assert may_send(state, now=110.0, in_flight=0) == Wait(140.0)
    after, _ = fed(begin_probe(state, now=140.0)[0], "-", now=141.0, random=1.0)
    assert after.until == 141.0 + 80.0


def test_a_pause_from_another_clock_ends_within_the_longest_one() -> None:
    assert restore(phase=Phase.open, since=0.0, until=1e9, streak=1, now=50.0).until == 350.0


def test_a_probe_whose_owner_died_may_be_repeated_at_once() -> None:
    state = restore(phase=Phase.half_open, since=100.0, until=220.0, streak=3, now=110.0)
    assert (state.phase, state.streak) == (Phase.open, 3)
    assert may_send(state, now=110.0, in_flight=0) == Permit(epoch=1, probe=True)


def test_a_ramp_is_restored_at_its_foot() -> None:
    state = restore(phase=Phase.ramp, since=100.0, until=0.0, streak=3, now=110.0)
    assert (state.phase, limit(state, 64), state.streak) == (Phase.ramp, 1, 3)


def test_a_closed_one_is_restored_healthy() -> None:
    state = restore(phase=Phase.closed, since=100.0, until=0.0, streak=0, now=110.0)
    assert (state.phase, limit(state, 64), state.seen) == (Phase.closed, 64, 0)
