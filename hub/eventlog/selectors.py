"""The log as a scope may read it: newest first, by offset, or one event. It never looks beyond the scope's environment.

Work is bounded: what no index answers is looked for among SCAN rows, and a page that found less says where to go on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

from django.db import connection

from hub.core import ids
from hub.tenants import refusals
from hub.tenants.scoping import Scope

SCAN: Final = 10_000
LOG_BYTES: Final = 4 * 1024 * 1024
DAY: Final = timedelta(days=1)
# How far the clocks that make ids may be apart.
_SLACK_MS: Final = 60_000

COLUMNS = """e.day, e.shard, e.seq, e.id, e.type, e.created_at, e.size, e.source, e.subject, e.time, e.client_id,
 e.channels, e.trace, e.extensions, e.origin, e.consumer, c.public_id"""
CONSUMER = "LEFT JOIN tenants_consumer c ON c.id = e.consumer"


@dataclass(slots=True)
class Event:
    """A row of the log. `id` 16 bytes; `consumer` the number, `consumer_id` its con_ id; `data` where it was asked for."""

    day: date
    shard: int
    seq: int
    id: bytes
    type: str
    created_at: datetime
    size: int
    source: str | None
    subject: str | None
    time: datetime | None
    client_id: str | None
    channels: list[str] | None
    trace: str | None
    extensions: str | None
    origin: int
    consumer: int | None
    consumer_id: str | None
    data: bytes | None = None

    @property
    def key(self) -> tuple[int, int]:
        return self.shard, self.seq


Row = TypeVar("Row")
Position = TypeVar("Position")


@dataclass(frozen=True)
class Page(Generic[Row, Position]):
    """Rows, and where the next page begins; None = there are no more. A page may be short, or empty, and go on."""

    rows: list[Row]
    next: Position | None


@dataclass(frozen=True, slots=True)
class LogPage:
    """Rows, and the offset to go on from, now or when more has come. `more`: not all that is there was looked at."""

    rows: list[Event]
    upto: int
    more: bool


class Conditions:
    """SQL conditions and their values."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.values: list[Any] = []

    def add(self, sql: str, *values: Any) -> None:
        self.parts.append(sql)
        self.values += values

    def __str__(self) -> str:
        return " AND ".join(self.parts) or "true"


def fetch(sql: str, values: Iterable[Any]) -> list[tuple[Any, ...]]:
    """All rows of a statement."""
    with connection.cursor() as cursor:
        cursor.execute(sql, list(values))
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def of_type(where: Conditions, text: str, *, column: str = "e.type") -> None:
    """Adds the condition that a type filter means."""
    if text == "*":
        where.add(f"NOT starts_with({column}, 'hub.')")
    elif text.endswith(".*"):
        where.add(f"starts_with({column}, %s)", text[:-1])
    else:
        where.add(f"{column} = %s", text)


def day_of(ms: int) -> date:
    """The UTC day of that millisecond, as far as there are such days."""
    return datetime.fromtimestamp(min(max(ms, 0), 32_503_680_000_000) / 1000, UTC).date()


def log(*, scope: Scope, shard: int, after: int, limit: int) -> LogPage:
    """What a shard has of the scope beyond the offset `after`, in the log's order and with data.

    At most LOG_BYTES of data, or one event.
    """
    tail = "FROM event e WHERE e.shard = %s AND e.seq > %s ORDER BY e.seq"
    where = Conditions()
    where.add("e.env = %s", scope.environment_id)
    if scope.consumer_id is not None:
        where.add("e.consumer = %s", scope.consumer_id)
    sql = f"SELECT {COLUMNS} FROM (SELECT * {tail} LIMIT {SCAN}) e {CONSUMER} WHERE {where} ORDER BY e.seq LIMIT %s"
    found = [event_of(row) for row in fetch(sql, [shard, after, *where.values, limit + 1])]
    more = len(found) > limit
    found = found[:limit]
    upto = found[-1].seq if found else after
    if not more:
        stopped = fetch(f"SELECT e.seq {tail} OFFSET {SCAN - 1} LIMIT 1", [shard, after])
        if stopped:
            more, upto = True, stopped[0][0]
    total = 0
    for index, event in enumerate(found):
        total += event.size
        if total > LOG_BYTES and index:
            found, upto, more = found[:index], found[index - 1].seq, True
            break
    _load(found)
    return LogPage(found, upto, more)


def shards(scope: Scope) -> list[int]:
    """Where the scope's events lie: its environment's shard, and those of its consumers."""
    found = (
        "SELECT shard FROM tenants_consumer WHERE environment_id = %s AND id = %s"
        if scope.consumer_id is not None
        else "SELECT shard FROM tenants_environment WHERE id = %s"
        " UNION SELECT shard FROM tenants_consumer WHERE environment_id = %s"
    )
    second = scope.environment_id if scope.consumer_id is None else scope.consumer_id
    return sorted(row[0] for row in fetch(found, [scope.environment_id, second]))


def event(*, scope: Scope, id: bytes, data: bool = True) -> Event:
    """One event of the scope, or a 404."""
    day = day_of(ids.uuid7_ms(id))
    where = Conditions()
    where.add("e.env = %s AND e.id = %s AND e.day BETWEEN %s AND %s",
              scope.environment_id, UUID(bytes=id), day - DAY, day + DAY)  # fmt: skip
    if scope.consumer_id is not None:
        where.add("e.consumer = %s", scope.consumer_id)
    found = fetch(
        f"SELECT {COLUMNS}{', e.data' if data else ''} FROM event e {CONSUMER} WHERE {where}", where.values
    )
    if not found:
        raise refusals.not_found("event")
    return event_of(found[0])


def by_offset(offsets: Collection[tuple[int, int, date]]) -> dict[tuple[int, int], Event]:
    """Events by (shard, seq), for offsets (shard, seq, day) that the caller came by through a scope."""
    if not offsets:
        return {}
    found = fetch(
        f"""SELECT {COLUMNS} FROM unnest(%s::int2[], %s::int8[], %s::date[]) u(shard, seq, day)
            JOIN event e ON e.shard = u.shard AND e.seq = u.seq AND e.day = u.day {CONSUMER}
            WHERE e.day BETWEEN %s AND %s""",
        [
            *(list(column) for column in zip(*offsets, strict=True)),
            min(o[2] for o in offsets),
            max(o[2] for o in offsets),
        ],
    )
    return {row.key: row for row in map(event_of, found)}


def with_data(offsets: Collection[tuple[int, int, date]]) -> dict[tuple[int, int], Event]:
    """The same, with their data."""
    found = by_offset(offsets)
    for shard in {event.shard for event in found.values()}:
        _load([event for event in found.values() if event.shard == shard])
    return found


def below(*, scope: Scope, seq: int) -> bytes | None:
    """The id of the environment's newest event with a lower offset, among the SCAN next ones of each of its shards."""
    found = fetch(
        f"""SELECT max(e.id::text) FROM unnest(%s::int2[]) s(shard) CROSS JOIN LATERAL (
              SELECT n.id FROM (SELECT id, env, seq FROM event WHERE shard = s.shard AND seq < %s ORDER BY seq DESC LIMIT {SCAN}) n
              WHERE n.env = %s ORDER BY n.seq DESC LIMIT 1) e""",
        [shards(scope), seq, scope.environment_id],
    )
    return UUID(found[0][0]).bytes if found[0][0] else None


def seqs_around(*, scope: Scope, since: int | None, until: int | None) -> tuple[int | None, int | None]:
    """Offsets between which all events of the environment lie that were accepted then; a little wide, None = open.

    One sequence numbers all shards, so a neighbour in time bounds them all.
    """

    def nearest(ms: int, comparison: str, order: str) -> int | None:
        day = day_of(ms)
        days = f"e.day {'<=' if order == 'DESC' else '>='} %s"
        found = fetch(
            f"SELECT e.seq FROM event e WHERE e.env = %s AND e.id {comparison} %s AND {days} ORDER BY e.id {order} LIMIT 1",
            [scope.environment_id, id_floor(ms), day + DAY if order == "DESC" else day - DAY],
        )
        return found[0][0] if found else None

    low = None if since is None else nearest(since - _SLACK_MS, "<", "DESC")
    high = None if until is None else nearest(until + _SLACK_MS, ">=", "ASC")
    return low, high


def id_floor(ms: int) -> UUID:
    return UUID(bytes=ids.uuid7_floor(min(max(ms, 0), 2**48 - 1)))


def _load(found: list[Event]) -> None:
    if not found:
        return
    rows = fetch(
        "SELECT e.seq, e.data FROM event e WHERE e.shard = %s AND e.seq = ANY(%s) AND e.day BETWEEN %s AND %s",
        [
            found[0].shard,
            [event.seq for event in found],
            min(e.day for e in found),
            max(e.day for e in found),
        ],
    )
    data = {seq: bytes(value) for seq, value in rows}
    for event in found:
        event.data = data[event.seq]


def event_of(row: tuple[Any, ...]) -> Event:
    values = list(row)
    values[3] = values[3].bytes
    if len(values) > 17:
        values[17] = bytes(values[17])
    return Event(*values)
