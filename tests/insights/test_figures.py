"""Figures from cells: grains, points, and quantiles that stay within two percent of the exact ones."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from hub.insights import histogram
from hub.insights.cells import Grain
from hub.insights.figures import MOST_POINTS, Figures, TooManyPoints, figures, floor, grain_for, moments
from hub.insights.folds import DELIVERIES

NOW = datetime(2026, 3, 1, 12, 34, 56, tzinfo=UTC)


def row(**values: object) -> dict[str, object]:
    empty: dict[str, object] = dict.fromkeys((*DELIVERIES.sums, *DELIVERIES.most), 0)
    return {**empty, **dict.fromkeys(DELIVERIES.maps, histogram.encode({})), **values}


@pytest.mark.parametrize(
    ("span", "grain"),
    [
        (timedelta(seconds=1), Grain.minute),
        (timedelta(hours=3), Grain.minute),
        (timedelta(hours=3, seconds=1), Grain.hour),
        (timedelta(days=8), Grain.hour),
        (timedelta(days=9), Grain.day),
        (timedelta(days=900), Grain.day),
    ],
)
def test_the_grain_follows_the_time(span: timedelta, grain: Grain) -> None:
    assert grain_for(NOW - span, NOW) is grain
    assert len(moments(NOW - span, NOW, grain)) <= MOST_POINTS


def test_moments_touch_the_whole_time_and_begin_on_the_clock() -> None:
    found = moments(NOW - timedelta(hours=1), NOW, Grain.minute)
    assert found[0] == datetime(2026, 3, 1, 11, 34, tzinfo=UTC)
    assert found[-1] == datetime(2026, 3, 1, 12, 34, tzinfo=UTC)
    assert len(found) == 61
    exact = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert moments(exact - timedelta(hours=2), exact, Grain.hour) == [
        exact - timedelta(hours=2),
        exact - timedelta(hours=1),
    ]
    assert floor(NOW, Grain.day) == datetime(2026, 3, 1, tzinfo=UTC)


def test_too_many_points_name_a_grain_that_does() -> None:
    with pytest.raises(TooManyPoints, match="take day"):
        moments(NOW - timedelta(days=30), NOW, Grain.minute)


def test_nothing_is_nothing_and_not_zero_milliseconds() -> None:
    found = figures([], [])
    assert found.counts["attempts"] == found.counts["events"] == 0
    assert found.latency.p50 is None
    assert found.latency.mean is None
    assert figures([row()], []).latency.p99 is None
    assert Figures().reasons == {}


@pytest.mark.parametrize("seed", range(5))
def test_quantiles_of_merged_rows_are_within_two_percent(seed: int) -> None:
    dice = random.Random(seed)
    times = [int(dice.lognormvariate(10, 1.5)) + 1 for _ in range(5_000)]
    parts: list[dict[str, object]] = []
    for start in range(0, len(times), 700):
        some = times[start : start + 700]
        counts: dict[int, int] = {}
        for us in some:
            histogram.add(counts, us)
        parts.append(
            row(
                latency=histogram.encode(counts),
                latency_us=sum(some),
                slowest_us=max(some),
                attempts=len(some),
            )
        )
    found = figures(parts, []).latency  # type: ignore[arg-type]
    times.sort()
    for q, ms in ((0.5, found.p50), (0.95, found.p95), (0.99, found.p99)):
        exact = times[-(-len(times) * int(q * 100) // 100) - 1] / 1000
        assert ms == pytest.approx(exact, rel=0.02)
    assert found.mean == pytest.approx(sum(times) / len(times) / 1000, abs=0.001)
    assert found.max == max(times) / 1000


def test_reasons_are_told_by_their_codes_without_what_went_well() -> None:
    rows = [row(reasons=histogram.encode({0: 5, 20: 2})), row(reasons=histogram.encode({20: 1, 9: 4}))]
    assert figures(rows, []).reasons == {"read-timeout": 4, "http-5xx": 3}  # type: ignore[arg-type]
