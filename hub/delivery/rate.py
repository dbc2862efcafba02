"""A subscription's rate limit as a token bucket, and the hold that an endpoint asks for with 429.

It never sleeps: it says how long to wait. It forgets itself with its owner; holds are recorded by others.
"""

from __future__ import annotations

# Waiting exactly as long as told must be enough, however coarse a float is after months of uptime. What is
# given too early is owed: tokens go below zero, so the rate over time stays exact.
_ENOUGH = 1.0 - 1e-3


class Bucket:
    """At most `rate` a second over time and `burst` at once; rate None sets no limit but still holds.

    Times are seconds of one monotonic clock. Not a dataclass: it changes with every send.
    """

    __slots__ = ("_stamp", "_tokens", "burst", "held_until", "rate")

    def __init__(self, rate: float | None = None, burst: float | None = None) -> None:
        """`burst` is by default what a second allows, and at least 1."""
        if rate is not None and not 0 < rate < float("inf"):
            raise ValueError(f"rate is {rate}; give a number above 0, or None for no limit")
        if burst is not None and not burst >= 1:
            raise ValueError(f"burst is {burst}; below 1 nothing could ever be sent")
        self.rate = rate
        self.burst = burst if burst is not None else max(1.0, rate or 1.0)
        self.held_until = float("-inf")
        self._tokens = self.burst
        self._stamp = float("-inf")

    def take(self, now: float) -> float:
        """0.0 and one send is booked, or the seconds to wait and nothing is."""
        if now < self.held_until:
            return self.held_until - now
        rate = self.rate
        if rate is None:
            return 0.0
        if now > self._stamp:
            self._tokens = min(self.burst, self._tokens + (now - self._stamp) * rate)
            self._stamp = now
        if self._tokens >= _ENOUGH:
            self._tokens -= 1.0
            return 0.0
        return (1.0 - self._tokens) / rate

    def hold_until(self, until: float) -> None:
        """Nothing goes before `until`, nor before the end of an earlier, longer hold; then no burst."""
        if until > self.held_until:
            self.held_until = until
            self._tokens = 1.0
            self._stamp = max(self._stamp, until)
