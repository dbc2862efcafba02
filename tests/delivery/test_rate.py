"""A bucket lets a burst through, then its rate, and nothing while it is held."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.delivery.rate import Bucket


def test_a_burst_goes_at_once_and_then_the_rate() -> None:
    bucket = Bucket(rate=2.0, burst=3)
    assert [bucket.take(100.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    assert bucket.take(100.25) == pytest.approx(0.25)
    assert bucket.take(100.5) == 0.0
    assert bucket.take(100.5) == pytest.approx(0.5)


def test_a_pause_saves_up_no_more_than_the_burst() -> None:
    bucket = Bucket(rate=10.0, burst=2)
    assert [bucket.take(0.0) for _ in range(2)] == [0.0, 0.0]
    assert [bucket.take(1_000.0) == 0.0 for _ in range(3)] == [True, True, False]


@pytest.mark.parametrize(("rate", "burst"), [(0.1, 1.0), (1.0, 1.0), (50.0, 50.0), (None, 1.0)])
def test_the_burst_is_by_default_what_a_second_allows(rate: float | None, burst: float) -> None:
    assert Bucket(rate).burst == burst


def test_no_rate_is_no_limit() -> None:
    bucket = Bucket()
    assert [bucket.take(1.0) for _ in range(1_000)] == [0.0] * 1_000


def test_a_hold_stops_everything_even_without_a_rate() -> None:
    bucket = Bucket()
    bucket.hold_until(30.0)
    assert (bucket.take(10.0), bucket.take(29.5), bucket.take(30.0)) == (20.0, 0.5, 0.0)


def test_a_shorter_hold_does_not_end_a_longer_one() -> None:
    bucket = Bucket()
    bucket.hold_until(30.0)
    bucket.hold_until(20.0)
    assert (bucket.held_until, bucket.take(25.0)) == (30.0, 5.0)


def test_after_a_hold_comes_the_rate_and_no_burst() -> None:
    bucket = Bucket(rate=1.0, burst=10)
    bucket.hold_until(30.0)
    assert (bucket.take(30.0), bucket.take(30.0), bucket.take(31.0)) == (0.0, 1.0, 0.0)


def test_a_clock_that_steps_back_takes_nothing_away() -> None:
    bucket = Bucket(rate=1.0, burst=2)
    assert (bucket.take(50.0), bucket.take(40.0), bucket.take(40.0)) == (0.0, 0.0, 1.0)


def test_waiting_as_told_is_enough_after_months_of_uptime() -> None:
    bucket, now = Bucket(rate=9_973.0, burst=1), 1e7
    assert bucket.take(now) == 0.0
    for _ in range(1_000):
        wait = bucket.take(now)
        assert wait > 0.0
        now += wait
        assert bucket.take(now) == 0.0


@pytest.mark.parametrize("rate", [0, -1.0, float("inf"), float("nan")])
def test_a_rate_that_makes_no_sense_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="give a number above 0, or None for no limit"):
        Bucket(rate)


@pytest.mark.parametrize("burst", [0, 0.5, float("nan")])
def test_a_burst_that_lets_nothing_through_is_refused(burst: float) -> None:
    with pytest.raises(ValueError, match="below 1 nothing could ever be sent"):
        Bucket(1.0, burst)


@settings(deadline=None)
@given(
    rate=st.floats(0.1, 10_000),
    burst=st.integers(1, 100),
    gaps=st.lists(st.floats(0, 20), max_size=200),
    start=st.floats(0, 1e7),
)
def test_waiting_as_told_is_enough_and_the_rate_is_never_exceeded(
    rate: float, burst: int, gaps: list[float], start: float
) -> None:
    bucket, now, sent = Bucket(rate, burst), start, []
    for gap in gaps:
        now += gap / rate
        if wait := bucket.take(now):
            now += wait
            assert bucket.take(now) == 0.0
        sent.append(now)
    for first in range(len(sent)):
        allowed = burst + (sent[-1] - sent[first]) * rate
        assert len(sent) - first <= allowed + 0.01
