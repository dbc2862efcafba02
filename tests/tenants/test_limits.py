"""The token bucket of a key."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.tenants.limits import Bucket, retry_after


def test_a_second_may_come_at_once_and_then_at_the_rate() -> None:
    bucket = Bucket(rate=10, now=100.0)
    assert [bucket.take(now=100.0) for _ in range(10)] == [0.0] * 10
    assert bucket.take(now=100.0) == pytest.approx(0.1)
    assert bucket.take(now=100.1) == 0.0
    assert bucket.take(now=100.1) == pytest.approx(0.1)


def test_a_refusal_takes_nothing() -> None:
    bucket = Bucket(rate=2, now=0.0)
    assert bucket.take(now=0.0, count=2) == 0.0
    for _ in range(50):
        assert bucket.take(now=0.0) == pytest.approx(0.5)
    assert bucket.take(now=0.5) == 0.0


def test_a_batch_larger_than_the_bucket_passes_when_it_is_full_and_is_paid_back() -> None:
    bucket = Bucket(rate=10, now=0.0)
    assert bucket.take(now=0.0, count=25) == 0.0
    assert bucket.take(now=0.0) == pytest.approx(1.6)
    assert bucket.take(now=1.6) == 0.0


def test_a_clock_that_goes_back_gives_nothing_away() -> None:
    bucket = Bucket(rate=1, now=10.0)
    assert bucket.take(now=10.0) == 0.0
    assert bucket.take(now=5.0) == pytest.approx(1.0)
    assert bucket.take(now=10.9) == pytest.approx(0.1)


def test_a_rate_below_one_still_lets_one_through() -> None:
    bucket = Bucket(rate=0.5, now=0.0)
    assert bucket.take(now=0.0) == 0.0
    assert bucket.take(now=0.0) == pytest.approx(2.0)


def test_the_fields_follow_the_draft() -> None:
    bucket = Bucket(rate=100, now=0.0)
    assert bucket.policy == '"key";q=100;w=1'
    assert bucket.field() == '"key";r=100;t=0'
    bucket.take(now=0.0, count=30)
    assert bucket.field() == '"key";r=70;t=1'
    bucket.take(now=0.0, count=150)
    assert bucket.field() == '"key";r=70;t=1'
    bucket.take(now=1.0, count=150)
    assert bucket.field() == '"key";r=0;t=2'


@pytest.mark.parametrize(("wait", "expected"), [(0.0, "1"), (0.2, "1"), (1.0, "1"), (1.01, "2")])
def test_retry_after_is_in_whole_seconds(wait: float, expected: str) -> None:
    assert retry_after(wait) == expected


def test_a_rate_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="revoke the key"):
        Bucket(rate=0, now=0.0)


@given(
    rate=st.floats(0.1, 1000),
    steps=st.lists(st.tuples(st.floats(0, 3), st.integers(1, 20)), min_size=1, max_size=60),
)
def test_never_more_than_the_rate_and_one_bucket(rate: float, steps: list[tuple[float, int]]) -> None:
    bucket, now, taken = Bucket(rate=rate, now=0.0), 0.0, 0
    for pause, count in steps:
        now += pause
        if bucket.take(now=now, count=count) == 0.0:
            taken += count
    # The last batch may have been larger than the bucket.
    assert taken <= rate * now + max(1.0, rate) + 20 + 1e-6


@given(rate=st.floats(0.1, 1000), count=st.integers(1, 50))
def test_waiting_as_told_is_enough(rate: float, count: int) -> None:
    bucket = Bucket(rate=rate, now=0.0)
    bucket.take(now=0.0, count=7)
    wait = bucket.take(now=0.0, count=count)
    assert bucket.take(now=wait, count=count) == 0.0 or wait == 0.0
