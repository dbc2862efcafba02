"""What differs between two JSON values, as pointers (RFC 6901). It never tells how one became the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple

MOST_CHANGES: Final = 50
_NOTHING: Final = object()


class Kind(StrEnum):
    added = "added"
    removed = "removed"
    changed = "changed"


@dataclass(frozen=True, slots=True)
class Change:
    kind: Kind
    pointer: str
    """Where: "" is the whole value, "/items/0/a~1b" the member "a/b" of the first item."""


@dataclass(frozen=True, slots=True)
class Changes:
    """The first changes in the order of the document, and how many more there are."""

    listed: tuple[Change, ...] = ()
    more: int = 0

    def __str__(self) -> str:
        told = [f"{change.kind} {change.pointer or 'all of it'}" for change in self.listed]
        return ", ".join(told) + (f" and {self.more} more" if self.more else "") or "nothing changed"


class _Place(NamedTuple):
    # Only what is listed becomes a text: those of a deep document would take a hundred times its memory.
    within: _Place | None
    name: str | int


def changes(before: Any, after: Any, *, most: int = MOST_CHANGES) -> Changes:
    """From one value to another; None as a whole is no value, so `added ""` is a beginning and `removed ""` an end.

    What was added or removed is one change, however large. Items of arrays are compared by their places.
    Members stand in the order they had before, then new ones. 1 and 1.0 are the same, 1 and true are not.
    """
    listed: list[Change] = []
    more = 0
    for kind, place in _walk(_NOTHING if before is None else before, _NOTHING if after is None else after):
        if len(listed) < most:
            listed.append(Change(kind, _pointer(place)))
        else:
            more += 1
    return Changes(tuple(listed), more)


def _walk(before: Any, after: Any) -> Iterator[tuple[Kind, _Place | None]]:
    # A stack of its own: data may have a thousand levels, more than calls, or the == of containers, may nest.
    todo: list[tuple[_Place | None, Any, Any]] = [(None, before, after)]
    while todo:
        place, old, new = todo.pop()
        if old is new:
            continue
        if old is _NOTHING or new is _NOTHING:
            yield Kind.removed if new is _NOTHING else Kind.added, place
        elif isinstance(old, dict) and isinstance(new, dict):
            names = [*old, *(name for name in new if name not in old)]
            todo += [
                (_Place(place, name), old.get(name, _NOTHING), new.get(name, _NOTHING))
                for name in reversed(names)
            ]
        elif isinstance(old, list) and isinstance(new, list):
            todo += [
                (_Place(place, at), _item(old, at), _item(new, at))
                for at in reversed(range(max(len(old), len(new))))
            ]
        elif not _same(old, new):
            yield Kind.changed, place


def _item(array: list[Any], at: int) -> Any:
    return array[at] if at < len(array) else _NOTHING


def _same(old: Any, new: Any) -> bool:
    if isinstance(old, dict | list) or isinstance(new, dict | list):
        return False
    return isinstance(old, bool) is isinstance(new, bool) and old == new


def _pointer(place: _Place | None) -> str:
    """RFC 6901, section 3."""
    tokens: list[str] = []
    while place is not None:
        tokens.append("/" + str(place.name).replace("~", "~0").replace("/", "~1"))
        place = place.within
    return "".join(reversed(tokens))
