"""What an engine counts of its own work, for /metrics: attempts by reason, latencies in buckets. Never a fact."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

from hub.delivery.outcome import Reason

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Histogram:
    """Counts by BOUNDS_S, the last one for everything above."""

    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_S) + 1)
        self.sum = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BOUNDS_S, seconds)] += 1
        self.sum += seconds


class Tally:
    """Counters that only grow, from the start of the engine."""

    def __init__(self) -> None:
        self.reasons = [0] * len(Reason)
        self.attempts = Histogram()
        self.accept_to_send = Histogram()
        self.routed_events = self.routed_pairs = self.records = self.routings = self.readbacks = 0

    def attempt(self, reason: Reason, total_us: int) -> None:
        self.reasons[reason] += 1
        if total_us:
            self.attempts.add(total_us / 1e6)

    def first(self, seconds: float) -> None:
        self.accept_to_send.add(max(seconds, 0.0))

    def snapshot(self) -> dict[str, Any]:
        return {
            "reasons": {Reason(i).code: count for i, count in enumerate(self.reasons) if count},
            "attempt_seconds": {"counts": self.attempts.counts, "sum": self.attempts.sum},
            "accept_to_send_seconds": {"counts": self.accept_to_send.counts, "sum": self.accept_to_send.sum},
            "routed_events": self.routed_events,
            "routed_pairs": self.routed_pairs,
            "records": self.records,
            "routings": self.routings,
            "readbacks": self.readbacks,
        }
