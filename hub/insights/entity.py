"""A subject's state at any moment, folded from the events of the log. It never changes what it is given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, TypeVar

from hub.insights.changes import MOST_CHANGES, Changes, changes
from hub.subscriptions.patterns import asking_for


class Semantics(StrEnum):
    """What the data of an event does to the state; of either kind null means that the subject is gone."""

    snapshot = "snapshot"
    """It is the state."""
    merge_patch = "merge-patch"
    """It is a JSON Merge Patch of the state (RFC 7396)."""


@dataclass(frozen=True, slots=True)
class Event:
    """`seq` orders the events of a subject; `at` is when it was accepted; `data` is what its JSON says."""

    seq: int
    at: datetime
    type: str
    data: Any


@dataclass(frozen=True, slots=True)
class State:
    """What is known after an event. `value` is None if there is nothing: never was, or gone.

    `seq` and `at` are of the last event that told of it, -1 and None before the first; `count` events did.
    The value shares its parts with the events: read it, don't change it.
    """

    value: Any = None
    seq: int = -1
    at: datetime | None = None
    count: int = 0

    @property
    def exists(self) -> bool:
        return self.value is not None


UNKNOWN: Final = State()
Declared = TypeVar("Declared")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a timeline: the event, what it changed, and the state after it."""

    event: Event
    changes: Changes
    state: State


def apply(state: State, event: Event, semantics: Semantics) -> State:
    """The state after the event; the same one if it has told of it already, or of a later one."""
    if event.seq <= state.seq:
        return state
    patches = semantics is Semantics.merge_patch and event.data is not None
    value = merge_patch(state.value, event.data) if patches else event.data
    return State(value, event.seq, event.at, state.count + 1)


def state_at(
    events: Iterable[Event], *, at: datetime, declared: Mapping[str, Semantics], state: State = UNKNOWN
) -> State:
    """The state at a moment: of all events accepted by then, in whatever order they are given.

    `declared`: what types do, by pattern; the closest counts, and a type that none asks for tells nothing.
    `state` is what an earlier fold ended with.
    """
    for event, semantics in _telling((event for event in events if event.at <= at), declared):
        state = apply(state, event, semantics)
    return state


def timeline(
    events: Iterable[Event],
    *,
    declared: Mapping[str, Semantics],
    state: State = UNKNOWN,
    most: int = MOST_CHANGES,
) -> Iterator[Entry]:
    """An entry for each event that tells of the subject, the first at first; what comes again makes none."""
    for event, semantics in _telling(events, declared):
        after = apply(state, event, semantics)
        if after is not state:
            yield Entry(event, changes(state.value, after.value, most=most), after)
            state = after


def closest(type: str, declared: Mapping[str, Declared]) -> Declared | None:
    """What is declared for the pattern closest to the type: itself, then `order.line.*` before `order.*` before `*`."""
    return next((declared[pattern] for pattern in asking_for(type) if pattern in declared), None)


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7396, section 2: the target with the patch applied; a new value that shares what stays the same."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    # A stack of its own: data may have a thousand levels, more than calls can be nested.
    todo = [(result, patch)]
    while todo:
        into, members = todo.pop()
        for name, value in members.items():
            if value is None:
                into.pop(name, None)
            elif isinstance(value, dict):
                old = into.get(name)
                into[name] = inner = dict(old) if isinstance(old, dict) else {}
                todo.append((inner, value))
            else:
                into[name] = value
    return result


def _telling(events: Iterable[Event], declared: Mapping[str, Semantics]) -> Iterator[tuple[Event, Semantics]]:
    for event in sorted(events, key=lambda event: event.seq):
        semantics = closest(event.type, declared)
        if semantics is not None:
            yield event, semantics
