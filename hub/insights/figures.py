"""What cells amount to: totals and a point for each minute, hour or day, with quantiles. It reads no row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from hub.delivery.outcome import Reason
from hub.insights import histogram
from hub.insights.cells import Grain
from hub.insights.folds import DELIVERIES, EVENTS

MOST_POINTS: Final = 1_500
_LONGEST: Final = {Grain.minute: timedelta(hours=3), Grain.hour: timedelta(days=8)}


class TooManyPoints(ValueError):
    """The grain is too fine for the time; the message says which would do."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds; None where nothing was measured. `mean` and `max` are exact, the others within 2 %."""

    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    mean: float | None = None
    max: float | None = None


@dataclass(slots=True)
class Figures:
    """Counts by column of a cell, latencies, and how many attempts and ends had which reason (by its code)."""

    counts: dict[str, int] = field(default_factory=dict)
    latency: Latency = field(default_factory=Latency)
    lag: Latency = field(default_factory=Latency)
    reasons: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Point:
    """The figures of one minute, hour or day, which begins at `at`."""

    at: datetime
    figures: Figures


COUNTS: Final = (*DELIVERIES.sums[:10], *EVENTS.sums)


def grain_for(since: datetime, until: datetime) -> Grain:
    """The one that gives a curve of a readable number of points."""
    span = until - since
    return next((grain for grain, longest in _LONGEST.items() if span <= longest), Grain.day)


def floor(at: datetime, grain: Grain) -> datetime:
    """The beginning of its minute, hour or day, in UTC."""
    seconds = int(at.timestamp())
    return datetime.fromtimestamp(seconds - seconds % grain.seconds, UTC)


def moments(since: datetime, until: datetime, grain: Grain) -> list[datetime]:
    """The beginnings of all that touch the time from `since` to before `until`. Raises TooManyPoints."""
    first = floor(since, grain)
    count = max(-(-int((until - first).total_seconds()) // grain.seconds), 1)
    if count > MOST_POINTS:
        raise TooManyPoints(
            f"that would be {count} points, {MOST_POINTS} are the most; take {grain_for(since, until).name}"
        )
    return [first + timedelta(seconds=grain.seconds * number) for number in range(count)]


def figures(deliveries: Sequence[Mapping[str, Any]], events: Sequence[Mapping[str, Any]]) -> Figures:
    """Of all these rows together; a row holds the columns of its cell by name."""
    found = Figures(dict.fromkeys(COUNTS, 0))
    for names, rows in ((DELIVERIES.sums[:10], deliveries), (EVENTS.sums, events)):
        for name in names:
            found.counts[name] = sum(row[name] for row in rows)
    if deliveries:
        found.latency = _latency(deliveries, "latency", "latency_us", "slowest_us")
        found.lag = _latency(deliveries, "lag", "lag_us", "oldest_us")
        reasons = histogram.merge_encoded(row["reasons"] for row in deliveries)
        found.reasons = {Reason(number).code: count for number, count in sorted(reasons.items()) if number}
    return found


def _latency(rows: Sequence[Mapping[str, Any]], name: str, total: str, most: str) -> Latency:
    counts = histogram.merge_encoded(row[name] for row in rows)
    measured = sum(counts.values())
    if not measured:
        return Latency()
    p50, p95, p99 = (us / 1000 for us in histogram.quantiles(counts, (0.5, 0.95, 0.99)) if us is not None)
    mean = sum(row[total] for row in rows) / measured / 1000
    return Latency(p50, p95, p99, round(mean, 3), max(row[most] for row in rows) / 1000)
