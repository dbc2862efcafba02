"""Cells: what is counted of one environment, consumer, subscription or type in one minute, hour or day. They merge by adding.

It never reads a row or the clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple


class Grain(IntEnum):
    """The numbers are stored: never renumber one."""

    minute = 0
    hour = 1
    day = 2

    @property
    def seconds(self) -> int:
        return SECONDS[self]


SECONDS: Final[Mapping[Grain, int]] = {Grain.minute: 60, Grain.hour: 3_600, Grain.day: 86_400}


class Kind(IntEnum):
    """Of what a cell counts. The numbers are stored: never renumber one."""

    environment = 0
    consumer = 1
    subscription = 2
    type = 3


class Key(NamedTuple):
    """`at`: seconds since 1970 at which the minute, hour or day (UTC) begins. `ref`: a number or a type; "" for an environment."""

    env: int
    kind: int
    ref: str
    grain: int
    at: int
    shard: int


@dataclass(slots=True)
class Cell:
    """`sums` add up, of `most` the highest counts, `maps` count by bucket or by number. Which is which, a Shape says."""

    sums: list[int]
    most: list[int]
    maps: list[dict[int, int]]

    def merge(self, other: Cell) -> None:
        """Adds what the other counts; the other stays as it is."""
        sums, most, maps = self.sums, self.most, self.maps
        for index, value in enumerate(other.sums):
            sums[index] += value
        for index, value in enumerate(other.most):
            if value > most[index]:
                most[index] = value
        for mine, theirs in zip(maps, other.maps, strict=True):
            for number, count in theirs.items():
                mine[number] = mine.get(number, 0) + count


@dataclass(frozen=True, slots=True)
class Shape:
    """The columns of a table of cells beside its key, in this order."""

    table: str
    sums: tuple[str, ...]
    most: tuple[str, ...] = ()
    maps: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        return self.sums + self.most + self.maps

    def cell(self) -> Cell:
        """An empty one."""
        return Cell([0] * len(self.sums), [0] * len(self.most), [{} for _ in self.maps])


def keys(*, env: int, shard: int, minute: int, refs: Iterable[tuple[Kind, str]]) -> Iterator[Key]:
    """The keys under which what happened in a minute is counted: of each kind the minute's, the hour's and the day's."""
    for kind, ref in refs:
        for grain, seconds in SECONDS.items():
            yield Key(env, kind, ref, grain, minute - minute % seconds, shard)
