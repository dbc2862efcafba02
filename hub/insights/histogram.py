"""Latencies as counts in buckets: histograms merge by adding, and their quantiles are within 2 % whatever the values.

Buckets are log-linear, 32 for each power of two, so that finding one takes two shifts and no logarithm. A value is
never kept, and times are whole microseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import accumulate, islice
from typing import Final

VERSION: Final = 1
LONGEST_US: Final = 2**53 - 1
"""What is longer counts as this; it is 285 years."""

# A bucket is at most a 32nd of its values wide, and stands for its middle: the error is a 64th, 1.6 %.
_BITS: Final = 5
_EXACT: Final = 2 << _BITS


def index(us: int) -> int:
    """The bucket of a time. Below 64 µs each has its own; what is negative counts as 0."""
    if us < _EXACT:
        return us if us > 0 else 0
    if us > LONGEST_US:
        us = LONGEST_US
    shift = us.bit_length() - (_BITS + 1)
    return (shift << _BITS) + (us >> shift)


def value(index: int) -> int:
    """The time that stands for a bucket: its middle, within 1/64 of every time in it."""
    if index < _EXACT:
        return index
    shift = (index >> _BITS) - 1
    return ((index - (shift << _BITS)) << shift) + (1 << shift >> 1)


_LAST: Final = index(LONGEST_US)
_MOST: Final = 2**63 - 1


def add(counts: dict[int, int], us: int) -> None:
    """Counts one time, in place."""
    bucket = index(us)
    counts[bucket] = counts.get(bucket, 0) + 1


def merge(*parts: Mapping[int, int]) -> dict[int, int]:
    """The histogram of what all of them counted."""
    total: dict[int, int] = {}
    for part in parts:
        for bucket, count in part.items():
            total[bucket] = total.get(bucket, 0) + count
    return total


def quantile(counts: Mapping[int, int], q: float) -> int | None:
    """The time in microseconds that a share `q` of all doesn't exceed (nearest rank); None if nothing was counted."""
    return quantiles(counts, (q,))[0]


def quantiles(counts: Mapping[int, int], qs: Sequence[float]) -> list[int | None]:
    """The same for several, each from 0 to 1, in one walk; ValueError for another."""
    if any(not 0 <= q <= 1 for q in qs):
        raise ValueError("a quantile is a share from 0 to 1, such as 0.95")
    total = sum(counts.values())
    if not total:
        return [None] * len(qs)
    found: list[int | None] = [None] * len(qs)
    # The decimal digits of q are meant: as a double 0.07 is a little more, and of 100 would ask for the 8th.
    ranks = sorted((max(1, -(-total * Fraction(str(q)) // 1)), at) for at, q in enumerate(qs))
    buckets = iter(sorted(counts.items()))
    below, bucket = 0, 0
    for rank, at in ranks:
        while below < rank:
            bucket, count = next(buckets)
            below += count
        found[at] = value(bucket)
    return found


def encode(counts: Mapping[int, int]) -> bytes:
    """Compact bytes: the version, then for each bucket in order its distance from the one before and its count.

    Numbers are LEB128, so a bucket mostly takes two bytes. ValueError for a bucket or a count that can't be.
    """
    out = bytearray((VERSION,))
    before = -1
    for bucket, count in sorted(counts.items()):
        if not 0 <= bucket <= _LAST or not 0 <= count <= _MOST:
            raise ValueError(f"bucket {bucket} with count {count} is no part of a histogram")
        if count:
            _put(out, bucket - before)
            _put(out, count)
            before = bucket
    return bytes(out)


def decode(raw: bytes) -> dict[int, int]:
    """The counts that were encoded, without empty buckets; ValueError for anything else."""
    return merge_encoded((raw,))


def merge_encoded(parts: Iterable[bytes]) -> dict[int, int]:
    """The histogram of all that is encoded in `parts`; ValueError if one is malformed."""
    total: dict[int, int] = {}
    for raw in parts:
        if raw[:1] != bytes((VERSION,)):
            raise ValueError(
                f"a histogram begins with version {VERSION}, not with {raw[:1].hex() or 'nothing'}"
            )
        numbers = _numbers(raw)
        buckets = list(accumulate(numbers[::2], initial=-1))
        if 0 in numbers or buckets[-1] > _LAST:
            raise ValueError("a histogram has no empty bucket, none twice, and none beyond the last")
        for bucket, count in zip(islice(buckets, 1, None), numbers[1::2], strict=True):
            total[bucket] = total.get(bucket, 0) + count
    return total


def _put(out: bytearray, number: int) -> None:
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def _numbers(raw: bytes) -> list[int]:
    """The LEB128 numbers after the version, an even count of them, each in its shortest form and below 2^63."""
    numbers = []
    number = shift = 0
    for byte in islice(raw, 1, None):
        if byte > 0x7F:
            number |= (byte & 0x7F) << shift
            shift += 7
            if shift > 56:
                raise ValueError("a number in a histogram is too large")
        elif not shift:
            numbers.append(byte)
        elif byte:
            numbers.append(byte << shift | number)
            number = shift = 0
        else:
            raise ValueError("a number in a histogram is longer than it need be")
    if shift or len(numbers) % 2:
        raise ValueError("a histogram is cut off")
    return numbers
