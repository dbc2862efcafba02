"""Who waits for which events, and who is to look again: an index of waiting readers. Pure; it reads no row and no clock.

Readers of one position are alike: whichever looks first gets what is there. So one of them is woken for each shard that has
something, and the next only when that one's look has come to nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final, Generic, NamedTuple, TypeVar

from hub.consumption.filtering import Filter

REMEMBERED: Final = 4_096
Reader = TypeVar("Reader")


class State(NamedTuple):
    """A mark as it stands: unread from `upto` on, in `day` or later; free, or leased."""

    position: int
    shard: int
    upto: int
    day: date
    free: bool


class Seen(NamedTuple):
    """An event that came."""

    shard: int
    seq: int
    env: int
    type: str
    consumer: int | None
    channels: list[str] | None


@dataclass(slots=True)
class Place:
    """`looked`: as far as events were compared with what is asked for; `found`: the last of those that was."""

    upto: int
    day: date
    free: bool
    looked: int
    found: int = 0
    woken_at: float = 0.0

    @property
    def has_something(self) -> bool:
        return self.free and self.found > self.upto


@dataclass(slots=True)
class Group(Generic[Reader]):
    """The readers of one position, in the order in which they came."""

    filter: Filter
    readers: dict[int, Reader] = field(default_factory=dict)
    places: dict[int, Place] = field(default_factory=dict)


class Watch(Generic[Reader]):
    """`again_s`: when another reader is woken for what the last one did not take."""

    def __init__(self, *, again_s: float = 1.0) -> None:
        self.groups: dict[int, Group[Reader]] = {}
        self._again_s = again_s
        self._number = 0
        self._wanted: dict[tuple[int, str, int | None, tuple[str, ...]], list[int]] = {}

    def __len__(self) -> int:
        return sum(len(group.readers) for group in self.groups.values())

    def of(self, env: int) -> int:
        """How many readers of this environment wait."""
        return sum(len(group.readers) for group in self.groups.values() if group.filter.env == env)

    def add(self, position: int, asked: Filter, reader: Reader) -> int:
        """Its number, by which it leaves. Its position's marks must be told anew, since it has just looked."""
        group = self.groups.get(position)
        if group is None or group.filter != asked:
            readers = group.readers if group is not None else {}
            group = self.groups[position] = Group(asked, readers)
            self._wanted.clear()
        self._number += 1
        group.readers[self._number] = reader
        for place in group.places.values():
            place.woken_at = 0.0
        return self._number

    def remove(self, position: int, number: int) -> None:
        """It waits no more; a number that has left already is nothing new."""
        group = self.groups.get(position)
        if group is not None:
            group.readers.pop(number, None)
            if not group.readers:
                del self.groups[position]
                self._wanted.clear()

    def told(self, states: Iterable[State]) -> None:
        """The marks as they are; what is no longer there, or not yet, is left as it was."""
        for state in states:
            group = self.groups.get(state.position)
            if group is None:
                continue
            place = group.places.get(state.shard)
            if place is None or state.upto < place.upto:
                # Sought back, it has all of that before it again.
                group.places[state.shard] = Place(state.upto, state.day, state.free, state.upto)
            else:
                if (place.upto, place.free) != (state.upto, state.free):
                    # Somebody has looked since, or given back: the next one need not rest.
                    place.woken_at = 0.0
                place.upto, place.day, place.free = state.upto, state.day, state.free
                place.looked = max(place.looked, state.upto)

    def shards(self) -> frozenset[int]:
        """Those in which anybody waits."""
        return frozenset(shard for group in self.groups.values() for shard in group.places)

    def bounds(self, chosen: frozenset[int] | None = None) -> list[tuple[int, int, date]]:
        """(shard, offset, day) to look on from, for these shards as far as anybody waits there; None = for all."""
        found: dict[int, tuple[int, date]] = {}
        for group in self.groups.values():
            for shard, place in group.places.items():
                if chosen is None or shard in chosen:
                    offset, day = found.get(shard, (place.looked, place.day))
                    found[shard] = min(offset, place.looked), min(day, place.day)
        return [(shard, offset, day) for shard, (offset, day) in sorted(found.items())]

    def saw(self, events: Sequence[Seen]) -> None:
        """All that came in some shards beyond `bounds`, in the order of their offsets."""
        ends: dict[int, int] = {}
        for event in events:
            ends[event.shard] = max(event.seq, ends.get(event.shard, 0))
            for position in self._asking(event):
                place = self.groups[position].places.get(event.shard)
                if place is not None and event.seq > place.looked:
                    place.found = max(event.seq, place.found)
        for group in self.groups.values():
            for shard, place in group.places.items():
                place.looked = max(place.looked, ends.get(shard, 0))

    def wake(self, *, now: float) -> list[Reader]:
        """Who is to look, and leaves with that. `now` is monotonic seconds."""
        woken = []
        for position, group in list(self.groups.items()):
            for place in group.places.values():
                rested = not place.woken_at or now - place.woken_at >= self._again_s
                if place.has_something and rested and group.readers:
                    place.woken_at = now
                    number = next(iter(group.readers))
                    woken.append(group.readers[number])
                    del group.readers[number]
            if not group.readers:
                self.remove(position, 0)
        return woken

    def _asking(self, event: Seen) -> list[int]:
        key = (event.env, event.type, event.consumer, tuple(event.channels or ()))
        found = self._wanted.get(key)
        if found is None:
            found = [
                position
                for position, group in self.groups.items()
                if group.filter.wants(
                    env=event.env, type=event.type, consumer=event.consumer, channels=event.channels
                )
            ]
            if len(self._wanted) >= REMEMBERED:
                self._wanted.clear()
            self._wanted[key] = found
        return found
