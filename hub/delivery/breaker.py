"""The circuit breaker of one subscription: whether its endpoint may be called now, judged on every attempt.

A value and pure functions; it never counts what is in flight and keeps no clock. What it stops, waits: no
retry is burnt.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import Final, NamedTuple

from hub.delivery.retry import jittered

STREAK_TO_OPEN: Final = 5
WINDOW: Final = 100
WINDOW_MINIMUM: Final = 20
FIRST_PAUSE_S: Final = 5.0
LONGEST_PAUSE_S: Final = 300.0
# Longer than any attempt may take: a probe without a result by then died with whoever sent it.
PROBE_PATIENCE_S: Final = 120.0

_WINDOW_MASK: Final = (1 << WINDOW) - 1
_STREAK_MASK: Final = (1 << STREAK_TO_OPEN) - 1
_MOST_DOUBLINGS: Final = 6


class Phase(StrEnum):
    closed = "closed"
    open = "open"
    half_open = "half-open"
    ramp = "ramp"


class Cause(StrEnum):
    """Why a breaker changed; recorded with the change."""

    in_a_row = "failures-in-a-row"
    half_failed = "half-failed"
    pause_over = "pause-over"
    probe_succeeded = "probe-succeeded"
    probe_failed = "probe-failed"
    probe_undecided = "probe-undecided"
    forced_succeeded = "forced-succeeded"
    ramp_failed = "ramp-failed"
    recovered = "recovered"


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to send now. Keep `epoch` with the attempt: its result is judged by it.

    `probe`: call `begin_probe` before it goes out.
    """

    epoch: int
    probe: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """Not now: ask again at `until`, or after the next result if that is sooner (`until` may be infinite)."""

    until: float


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of phase, to be recorded as a fact. `streak` counts the openings since it was last closed."""

    old: Phase
    new: Phase
    at: float
    until: float
    streak: int
    reason: Cause


class Breaker(NamedTuple):
    """One breaker. A tuple, since a frozen dataclass takes three times as long to make, at every attempt.

    All times are seconds of the caller's one clock.
    `window`: the last judged results as bits, newest lowest, 1 = failed; `seen` says how many are real.
    `until`: end of the pause (open), or when a silent probe is given up (half-open).
    """

    phase: Phase = Phase.closed
    since: float = 0.0
    until: float = 0.0
    streak: int = 0
    ramp: int = 0
    window: int = 0
    seen: int = 0
    permit: Permit = Permit(0)

    @property
    def epoch(self) -> int:
        return self.permit.epoch


Outcome = tuple[Breaker, Transition | None]
_CLOSED: Final = Phase.closed


def may_send(state: Breaker, *, now: float, in_flight: int) -> Permit | Wait:
    """May an attempt go out now? `in_flight` is held against the ramp; older epochs may be left out of it."""
    phase = state.phase
    if phase is _CLOSED:
        return state.permit
    if phase is Phase.ramp:
        return state.permit if in_flight < state.ramp else Wait(inf)
    if now < state.until:
        return Wait(state.until)
    return Permit(state.permit.epoch + 1, probe=True)


def begin_probe(state: Breaker, *, now: float) -> Outcome:
    """The probe that `may_send` permitted goes out: half-open, and nobody else gets leave until its result.

    From half-open it replaces a probe that never came back. ValueError where no probe may go.
    """
    if state.phase in (Phase.closed, Phase.ramp) or now < state.until:
        raise ValueError(
            f"no probe may go: the breaker is {state.phase} until {state.until}; ask may_send first"
        )
    return _move(
        state, Phase.half_open, now=now, until=now + PROBE_PATIENCE_S, reason=Cause.pause_over, new_epoch=True
    )


def on_result(
    state: Breaker, *, epoch: int, ok: bool, counts: bool, now: float, random: float, bound: int
) -> Outcome:
    """The result of an attempt that was sent under `epoch`; the same object comes back if nothing changed.

    `counts` is Reason.counts, `bound` the subscription's parallelism; `random` in [0, 1) spreads the pauses.
    A result from before the last opening or probe is ignored: it says how the endpoint was, not how it is.
    """
    if epoch != state.permit.epoch:
        return state, None
    if state.phase is _CLOSED:
        if ok:
            if state.seen == WINDOW and not state.window:
                return state, None
            return _noted(state, failed=0), None
        if not counts:
            return state, None
        return _judged(_noted(state, failed=1), now=now, random=random)
    if ok:
        return _improved(state, now=now, bound=bound)
    if state.phase is Phase.open:
        return state, None
    if counts:
        reason = Cause.ramp_failed if state.phase is Phase.ramp else Cause.probe_failed
        return _opened(state, now=now, random=random, reason=reason)
    if state.phase is Phase.half_open:
        # Neither well nor unwell, such as a probe that was cancelled: pause again, but no longer than before.
        return _opened(state, now=now, random=random, reason=Cause.probe_undecided, longer=False)
    return state, None


def limit(state: Breaker, bound: int) -> int:
    """How many attempts may be in flight at once: `bound` when closed, 0 while open."""
    if state.phase is _CLOSED:
        return bound
    if state.phase is Phase.ramp:
        return min(state.ramp, bound)
    return 1 if state.phase is Phase.half_open else 0


def restore(*, phase: Phase, since: float, until: float, streak: int, now: float) -> Breaker:
    """A breaker from its last recorded transition, at a take-over; times already on the new owner's clock.

    A probe or ramp that the old owner had begun starts over: nobody knows any more what it had in flight.
    """
    if phase is Phase.closed:
        return Breaker(since=since)
    if phase is Phase.ramp:
        return Breaker(Phase.ramp, since, until, streak, ramp=1)
    # A pause never outlasts the longest one, even if the clocks of two machines disagree.
    end = now if phase is Phase.half_open else min(until, now + LONGEST_PAUSE_S)
    return Breaker(Phase.open, since, end, max(1, streak))


def _noted(state: Breaker, *, failed: int) -> Breaker:
    seen = state.seen
    return Breaker(
        state.phase,
        state.since,
        state.until,
        state.streak,
        state.ramp,
        ((state.window << 1) | failed) & _WINDOW_MASK,
        seen + 1 if seen < WINDOW else seen,
        state.permit,
    )


def _judged(state: Breaker, *, now: float, random: float) -> Outcome:
    """Called after a failure only: a success never opens a breaker."""
    if state.window & _STREAK_MASK == _STREAK_MASK:
        return _opened(state, now=now, random=random, reason=Cause.in_a_row)
    if state.seen >= WINDOW_MINIMUM and state.window.bit_count() * 2 >= state.seen:
        return _opened(state, now=now, random=random, reason=Cause.half_failed)
    return state, None


def _opened(state: Breaker, *, now: float, random: float, reason: Cause, longer: bool = True) -> Outcome:
    streak = state.streak + 1 if longer else state.streak
    step_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(streak - 1, _MOST_DOUBLINGS))
    until = now + jittered(step_s, random=random)
    return _move(state, Phase.open, now=now, until=until, reason=reason, streak=streak, new_epoch=True)


def _improved(state: Breaker, *, now: float, bound: int) -> Outcome:
    if state.phase is Phase.half_open:
        return _move(state, Phase.ramp, now=now, reason=Cause.probe_succeeded, ramp=1)
    if state.phase is Phase.open:
        # Sent since it opened, so a person forced it: as good as a probe.
        return _move(state, Phase.ramp, now=now, reason=Cause.forced_succeeded, ramp=1)
    ramp = state.ramp * 2
    if ramp >= bound:
        return _move(state, Phase.closed, now=now, reason=Cause.recovered, streak=0)
    return Breaker(Phase.ramp, state.since, state.until, state.streak, ramp, permit=state.permit), None


def _move(
    state: Breaker,
    phase: Phase,
    *,
    now: float,
    reason: Cause,
    until: float = 0.0,
    streak: int | None = None,
    ramp: int = 0,
    new_epoch: bool = False,
) -> Outcome:
    after = Breaker(
        phase,
        since=now,
        until=until,
        streak=state.streak if streak is None else streak,
        ramp=ramp,
        permit=Permit(state.permit.epoch + 1) if new_epoch else state.permit,
    )
    return after, Transition(state.phase, phase, now, until, after.streak, reason)
