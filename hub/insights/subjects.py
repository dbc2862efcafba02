"""What the log tells of a subject: its events, its state at a moment, its timeline, and the latest of each type.

Bounded: a state that more than MOST events would have to be folded for is refused, never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from hub.core.ids import uuid7_floor, uuid7_ms
from hub.core.jsonbytes import BadJson, loads
from hub.core.problems import ProblemError, problem
from hub.eventlog import selectors as eventlog
from hub.eventlog.selectors import Conditions, fetch
from hub.insights.entity import Entry, Event, Semantics, State, closest, state_at, timeline
from hub.insights.projections import projections
from hub.tenants.scoping import Scope

MOST: Final = 10_000
MOST_BYTES: Final = 32 * 1024 * 1024
WINDOW: Final = 500
SLACK_MS: Final = 60_000

Position = tuple[int, bytes]
"""An event's offset and id."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A business key: of one consumer, or (`consumer` None) of what is addressed to nobody."""

    name: str
    consumer: int | None


@dataclass(frozen=True, slots=True)
class Known:
    """A state, and the event ids behind the offsets that it and its timeline name."""

    state: State
    ids: dict[int, bytes]


@dataclass(frozen=True, slots=True)
class Latest:
    """The latest event of a type about a subject. `data` None: the log keeps it no more."""

    subject: str
    shard: int
    seq: int
    event: eventlog.Event | None


class TooLong(ProblemError):
    """422: more events than may be folded."""


def declared(scope: Scope) -> dict[str, Semantics]:
    """What the environment declares, by pattern."""
    rows = projections(scope).values_list("pattern", "semantics")
    return {pattern: Semantics(semantics) for pattern, semantics in rows}


def state(*, scope: Scope, subject: Subject, at: datetime) -> Known:
    """The state at a moment. Raises TooLong."""
    known = declared(scope)
    told = _read(scope, subject, known, at=at)
    return Known(state_at(told.events, at=at, declared=known), told.ids)


def entries(
    *, scope: Scope, subject: Subject, before: Position | None, limit: int
) -> tuple[list[Entry], dict[int, bytes], Position | None]:
    """A page of the timeline, the newest first; event ids by offset; and where the next page begins. Raises TooLong."""
    known = declared(scope)
    told = _read(scope, subject, known, before=before, least=limit + 1)
    found = list(timeline(told.events, declared=known))
    page = found[-limit:][::-1]
    if len(found) <= limit:
        return page, told.ids, None
    last = page[-1].event.seq
    return page, told.ids, (last, told.ids[last])


def latest_of(*, scope: Scope, subject: Subject) -> list[eventlog.Event]:
    """The latest event of each type about the subject, as far back as MOST events go; newest first."""
    where = _about(scope, subject)
    rows = fetch(
        f"""SELECT DISTINCT ON (type) shard, seq, day FROM (
              SELECT e.type, e.shard, e.seq, e.day FROM event e WHERE {where} ORDER BY e.id DESC LIMIT {MOST}) e
            ORDER BY type, seq DESC""",
        where.values,
    )
    found = eventlog.by_offset([(shard, seq, day) for shard, seq, day in rows])
    return sorted(found.values(), key=lambda event: event.seq, reverse=True)


def compacted(
    *, scope: Scope, type: str, consumer: int | None, after: str | None, limit: int
) -> tuple[list[Latest], str | None, dict[int, int]]:
    """(the latest event of each subject of a type, by subject; the subject to go on after; offsets by shard).

    Every event up to the offset of its shard is in what is read from now on, unless a newer one of its subject is: who has
    read all pages goes on with the log from the offsets of the first page, and misses nothing.
    """
    # Before the rows, so that these are never behind it.
    offsets = _folded(scope)
    rows = fetch(
        """SELECT subject, shard, seq, day FROM entity_latest
           WHERE env = %s AND consumer = %s AND type = %s AND subject > %s ORDER BY subject LIMIT %s""",
        [scope.environment_id, consumer or 0, type, after or "", limit + 1],
    )
    more, rows = len(rows) > limit, rows[:limit]
    events = eventlog.with_data([(shard, seq, day) for _, shard, seq, day in rows])
    found = [Latest(subject, shard, seq, events.get((shard, seq))) for subject, shard, seq, _ in rows]
    return found, found[-1].subject if more else None, offsets


def _folded(scope: Scope) -> dict[int, int]:
    rows = fetch(
        """SELECT s, coalesce((SELECT r.upto FROM routed r WHERE r.shard = s AND r.step = l.pos), 0)
           FROM unnest(%s::int2[]) s LEFT JOIN LATERAL (SELECT pos FROM reactor_step
             WHERE name = 'entities' AND shard = s ORDER BY step DESC LIMIT 1) l ON true""",
        [eventlog.shards(scope)],
    )
    return dict(rows)


def _about(scope: Scope, subject: Subject) -> Conditions:
    where = Conditions()
    where.add("e.env = %s AND e.subject = %s", scope.environment_id, subject.name)
    if subject.consumer is None:
        where.add("e.consumer IS NULL")
    else:
        where.add("e.consumer = %s", subject.consumer)
    return where


@dataclass(slots=True)
class _Told:
    """Events that tell of a subject, the newest first; `whole`: down to the first one."""

    events: list[Event]
    ids: dict[int, bytes]
    whole: bool = False


def _read(
    scope: Scope, subject: Subject, known: Mapping[str, Semantics], *, at: datetime | None = None,
    before: Position | None = None, least: int = 0,
) -> _Told:  # fmt: skip
    """Back to a snapshot that is older than `least` others, or to the beginning. Raises TooLong."""
    told, size, floor = _Told([], {}), 0, 0
    below = None if before is None else _later(before[1])
    while True:
        rows = _window(scope, subject, below, before, at)
        for seq, id, created_at, type, data in rows:
            semantics = closest(type, known)
            ms = uuid7_ms(id)
            if ms < floor:
                return told
            if semantics is None:
                continue
            size += len(data)
            if len(told.events) >= MOST or size > MOST_BYTES:
                raise TooLong(problem(
                    "invalid",
                    f"More than {MOST} events or {MOST_BYTES >> 20} MiB would have to be folded for this state."
                    " Declare a type as a snapshot, and send one now and then.",
                ))  # fmt: skip
            told.events.append(Event(seq, created_at, type, _json(data)))
            told.ids[seq] = id
            if not floor and len(told.events) > least and semantics is Semantics.snapshot:
                # Offsets say what came first; ids come from several clocks, so look a little further back.
                floor = ms - SLACK_MS
        if len(rows) < WINDOW:
            told.whole = True
            return told
        below = rows[-1][1]


def _window(
    scope: Scope, subject: Subject, below: bytes | None, before: Position | None, at: datetime | None
) -> list[tuple[int, bytes, datetime, str, bytes]]:
    where = _about(scope, subject)
    if below is not None:
        where.add("e.id < %s", UUID(bytes=below))
    if before is not None:
        where.add("e.seq < %s", before[0])
    if at is not None:
        where.add("e.created_at <= %s", at)
    rows = fetch(
        f"SELECT e.seq, e.id, e.created_at, e.type, e.data FROM event e WHERE {where} ORDER BY e.id DESC LIMIT {WINDOW}",
        where.values,
    )
    return [(seq, id.bytes, created_at, type, bytes(data)) for seq, id, created_at, type, data in rows]


def _later(id: bytes) -> bytes:
    return uuid7_floor(uuid7_ms(id) + SLACK_MS)


def _json(data: bytes) -> Any:
    try:
        return loads(data)
    except BadJson:
        # Numbers beyond a double and very deep data are kept and sent, but can't be folded: they read as text.
        return data.decode("utf-8", "replace")
