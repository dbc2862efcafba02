"""Quantiles are within 2 % of what all values together would tell, however they were counted, merged and stored."""

from __future__ import annotations

from contextlib import suppress
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.insights.histogram import (
    LONGEST_US,
    add,
    decode,
    encode,
    index,
    merge,
    merge_encoded,
    quantile,
    quantiles,
    value,
)

DAY = 86_400_000_000
QS = (0.5, 0.95, 0.99)
# Uniform in the number of bits, so that short times are as likely as long ones.
TIMES = st.integers(0, 37).flatmap(lambda bits: st.integers(1 << bits >> 1, min(DAY, 1 << bits)))
MANY = st.lists(TIMES, min_size=1, max_size=60)
COUNTS = st.dictionaries(st.integers(0, index(LONGEST_US)), st.integers(1, 2**40), max_size=30)


def counted(times: list[int]) -> dict[int, int]:
    counts: dict[int, int] = {}
    for us in times:
        add(counts, us)
    return counts


def exact(times: list[int], percent: int) -> int:
    """Nearest rank, of the values themselves."""
    return sorted(times)[max(1, ceil(len(times) * percent / 100)) - 1]


def test_a_bucket_is_where_the_one_before_ends() -> None:
    edges = [(1 << bits) + off for bits in range(53) for off in (-1, 0, 1)]
    times = sorted({*range(5000), *(us for us in edges if us >= 0)})
    buckets = [index(us) for us in times]
    assert buckets == sorted(buckets)
    assert buckets[:64] == list(range(64))
    assert set(buckets[:5000]) == set(range(index(4999) + 1))


def test_every_bucket_stands_for_a_time_of_its_own() -> None:
    buckets = list(range(index(LONGEST_US) + 1))
    assert [index(value(bucket)) for bucket in buckets] == buckets
    assert (index(DAY), len(buckets)) == (1032, 1568)


@pytest.mark.parametrize(
    ("us", "same_as"), [(-1, 0), (-DAY, 0), (LONGEST_US + 1, LONGEST_US), (10**30, LONGEST_US)]
)
def test_what_can_not_be_is_counted_at_the_edge(us: int, same_as: int) -> None:
    assert index(us) == index(same_as)


@settings(deadline=None, max_examples=300)
@given(st.integers(0, 53).flatmap(lambda bits: st.integers(1 << bits >> 1, min(LONGEST_US, 1 << bits))))
def test_a_bucket_stands_within_a_64th_of_its_times(us: int) -> None:
    assert abs(value(index(us)) - us) * 64 <= us


@pytest.mark.parametrize("bits", range(6, 37))
def test_the_worst_times_of_a_power_of_two_are_within_a_64th(bits: int) -> None:
    width = 1 << bits >> 5
    worst = [(1 << bits) + bucket * width + off for bucket in range(32) for off in (0, width // 2, width - 1)]
    assert all(abs(value(index(us)) - us) * 64 <= us for us in worst)


@pytest.mark.parametrize(
    "times",
    [
        [1],
        [DAY],
        [1, DAY],
        [64] * 100,
        [65] * 100,
        [127, 128],
        [2**20 - 1] * 50 + [2**20] * 50,
        [1000] * 95 + [DAY] * 5,
        [1000] * 94 + [DAY] * 6,
        [1] * 99 + [30_000_000],
        [1] * 98 + [30_000_000] * 2,
        list(range(1, 1001)),
        list(range(1000, 0, -1)),
        [2**n for n in range(37)],
        [2**n - 1 for n in range(1, 37)],
        [3**n for n in range(23)],
        [int(1.1**n) for n in range(260)],
        [100_000 + n for n in range(997)],
    ],
    ids=lambda times: f"{len(times)} from {times[0]} to {times[-1]}",
)
def test_no_set_of_times_deceives_it(times: list[int]) -> None:
    found = quantiles(counted(times), QS)
    for percent, us in zip((50, 95, 99), found, strict=True):
        assert us is not None
        assert abs(us - exact(times, percent)) <= 0.02 * exact(times, percent)


@settings(deadline=None, max_examples=200)
@given(MANY, st.integers(0, 100))
def test_a_quantile_is_within_two_percent(times: list[int], percent: int) -> None:
    us = quantile(counted(times), percent / 100)
    assert us is not None
    assert abs(us - exact(times, percent)) * 50 <= exact(times, percent)


def test_the_digits_of_a_quantile_are_meant() -> None:
    # As a double 0.07 * 100 is more than 7, and 0.29 * 100 less than 29.
    counts = counted(list(range(100)))
    assert [quantile({n: 1 for n in range(64)}, q) for q in (0, 1 / 64, 0.5, 1)] == [0, 0, 31, 63]
    assert quantiles(counts, (0.29, 0.07, 0.58)) == [28, 6, 57]


def test_nothing_counted_has_no_quantile() -> None:
    assert quantile({}, 0.5) is None
    assert quantiles({7: 0}, QS) == [None, None, None]
    assert quantiles({5: 0, 7: 1}, ()) == []
    assert quantile({5: 0, 7: 1}, 0) == 7


@pytest.mark.parametrize("q", [-0.1, 1.1, 95, float("nan")])
def test_a_quantile_is_a_share(q: float) -> None:
    with pytest.raises(ValueError, match=r"from 0 to 1, such as 0\.95"):
        quantile({1: 1}, q)


@settings(deadline=None, max_examples=100)
@given(COUNTS, COUNTS, COUNTS)
def test_merging_is_adding_in_any_order(a: dict[int, int], b: dict[int, int], c: dict[int, int]) -> None:
    before = (dict(a), dict(b))
    assert merge(a, b) == merge(b, a)
    assert merge(merge(a, b), c) == merge(a, merge(b, c)) == merge(a, b, c)
    assert merge(a) == merge(a, {}) == a
    assert (a, b) == before


@settings(deadline=None, max_examples=100)
@given(st.lists(MANY, max_size=4))
def test_merged_parts_are_the_whole(parts: list[list[int]]) -> None:
    whole = counted([us for part in parts for us in part])
    assert merge(*(counted(part) for part in parts)) == whole
    assert merge_encoded(encode(counted(part)) for part in parts) == whole


@settings(deadline=None, max_examples=200)
@given(COUNTS)
def test_what_is_encoded_is_decoded(counts: dict[int, int]) -> None:
    raw = encode(counts)
    assert decode(raw) == counts
    assert list(decode(raw)) == sorted(counts)
    assert encode(dict(reversed(counts.items()))) == raw


@pytest.mark.parametrize(
    ("counts", "raw"),
    [
        ({}, "01"),
        ({0: 1}, "010101"),
        ({0: 1, 1: 2, 63: 3}, "01010101023e03"),
        ({7: 0}, "01"),
        ({199: 128}, "01c8018001"),
        ({0: 2**63 - 1}, "0101ffffffffffffffff7f"),
    ],
)
def test_the_stored_form_never_changes(counts: dict[int, int], raw: str) -> None:
    assert encode(counts).hex() == raw
    assert decode(bytes.fromhex(raw)) == {bucket: count for bucket, count in counts.items() if count}


@pytest.mark.parametrize("counts", [{-1: 1}, {index(LONGEST_US) + 1: 1}, {1: -1}, {1: 2**63}])
def test_what_is_no_histogram_is_not_encoded(counts: dict[int, int]) -> None:
    with pytest.raises(ValueError, match="is no part of a histogram"):
        encode(counts)


@pytest.mark.parametrize(
    ("raw", "complaint"),
    [
        ("", "begins with version 1, not with nothing"),
        ("02", "begins with version 1, not with 02"),
        ("0101", "is cut off"),
        ("01010101", "is cut off"),
        ("0180", "is cut off"),
        ("010180", "is cut off"),
        ("010001", "has no empty bucket, none twice"),
        ("0101010001", "has no empty bucket, none twice"),
        ("010100", "has no empty bucket"),
        ("01018000", "is longer than it need be"),
        ("0181000101", "is longer than it need be"),
        ("0101ffffffffffffffffff01", "is too large"),
        ("01ffffffffffffffff7f01", "none beyond the last"),
        ("01810e01", "none beyond the last"),
    ],
)
def test_malformed_bytes_are_refused(raw: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        decode(bytes.fromhex(raw))
    with pytest.raises(ValueError, match=complaint):
        merge_encoded([encode({1: 1}), bytes.fromhex(raw)])


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=12))
def test_any_bytes_are_a_histogram_in_its_one_form_or_refused(raw: bytes) -> None:
    counts = None
    with suppress(ValueError):
        counts = decode(b"\x01" + raw)
    assert counts is None or encode(counts) == b"\x01" + raw
