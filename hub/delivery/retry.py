"""When a failed delivery is tried again, or that it is not: a pure decision.

It never waits, reads no clock and draws no random number: all three are arguments.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from hub.delivery.outcome import Reason
from hub.delivery.states import State
from hub.subscriptions.policy import DEFAULT_MAX_AGE_S, DEFAULT_RETRY_SCHEDULE_S

RETRY_AFTER_CAP_S: Final = 86_400
JITTER_FLOOR: Final = 0.1
_HEEDED: Final = (Reason.http_429, Reason.http_5xx)


@dataclass(frozen=True, slots=True)
class Policy:
    """A wait for each retry, in seconds, and how old a delivery may grow: n entries make n + 1 attempts."""

    schedule_s: tuple[int, ...] = DEFAULT_RETRY_SCHEDULE_S
    max_age_s: int = DEFAULT_MAX_AGE_S

    @property
    def attempts(self) -> int:
        return len(self.schedule_s) + 1

    def expires_at(self, accepted_at: datetime) -> datetime:
        return accepted_at + timedelta(seconds=self.max_age_s)


@dataclass(frozen=True, slots=True)
class RetryAt:
    at: datetime
    reason: Reason


@dataclass(frozen=True, slots=True)
class GiveUp:
    """`why` is the failure that was one too many, or `expired`; `state` the end to record (dead, expired)."""

    why: Reason
    state: State


def jittered(step_s: float, *, random: float) -> float:
    """Full jitter: anywhere in the step, so that what failed together does not come back together.

    Not below a tenth of it: a draw near zero would hit an endpoint again that failed this very moment.
    """
    return step_s * (JITTER_FLOOR + (1.0 - JITTER_FLOOR) * random)


def decide(
    *,
    policy: Policy,
    attempt: int,
    reason: Reason,
    retry_after_s: float | None,
    now: datetime,
    expires_at: datetime,
    random: float,
) -> RetryAt | GiveUp:
    """After automatic attempt number `attempt` (from 1, manual ones not counted) failed for `reason`.

    `retry_after_s` is heeded on 429 and 5xx, up to 24 h; take it from `outcome.asked_wait`, which tells 503
    from other 5xx. `random` is in [0, 1).
    """
    if attempt < 1:
        raise ValueError(f"attempt is {attempt}; count the first attempt as 1")
    if not reason.retryable:
        return GiveUp(reason, State.expired if reason is Reason.expired else State.dead)
    if attempt > len(policy.schedule_s):
        return GiveUp(reason, State.dead)
    wait_s = jittered(policy.schedule_s[attempt - 1], random=random)
    if retry_after_s is not None and reason in _HEEDED:
        # Never earlier than asked; the spread keeps all who were told the same from coming back as one.
        wait_s = max(wait_s, min(retry_after_s * (1.0 + JITTER_FLOOR * random), RETRY_AFTER_CAP_S))
    at = now + timedelta(seconds=wait_s)
    if at > expires_at:
        return GiveUp(Reason.expired, State.expired)
    return RetryAt(at, reason)


def decide_manual(*, planned_at: datetime, reason: Reason) -> RetryAt:
    """After an attempt that a person asked for failed, whatever the reason: the earlier plan stands.

    For one that is retrying. A delivery never tried has no plan yet: the attempt is its first; use `decide`.
    """
    return RetryAt(planned_at, reason)
