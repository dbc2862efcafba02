"""Events of an environment, newest first: one index is walked, and what it can't answer is asked of each row it gives.

It judges `window` rows at a time at most, and says where to go on; it never looks beyond the scope's environment and consumer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from hub.core import ids
from hub.eventlog.selectors import (
    COLUMNS,
    CONSUMER,
    DAY,
    Conditions,
    Event,
    Page,
    day_of,
    event_of,
    fetch,
    id_floor,
)
from hub.tenants.scoping import Scope

_TYPES: Final = {"id": "uuid[]", "type": "text[]", "subject": "text[]", "consumer": "int4[]"}
_ORDER: Final = "ORDER BY e.id DESC"
# Each step is one look into the index, whatever there is of a type.
_KINDS: Final = """
WITH RECURSIVE k(type, n) AS (
  (SELECT e.type, 1 FROM event e WHERE {where} ORDER BY e.type LIMIT 1)
  UNION ALL
  SELECT (SELECT e.type FROM event e WHERE {where} AND e.type > k.type ORDER BY e.type LIMIT 1), n + 1
  FROM k WHERE k.type IS NOT NULL AND n < %s)
SELECT type FROM k WHERE type IS NOT NULL"""


@dataclass(frozen=True, slots=True)
class Walk:
    """What is read. `column`: the index to go by, with the values looked up in it: "id", "subject", "consumer" or "type";
    "" = all of the environment. `rest`: conditions on `e`. `since` (included) and `until`: milliseconds since 1970.
    """

    column: str = ""
    values: Sequence[Any] = ()
    rest: Conditions = field(default_factory=Conditions)
    since: int | None = None
    until: int | None = None


def events(*, scope: Scope, walk: Walk, before: bytes | None, limit: int, window: int) -> Page[Event, bytes]:
    """At most `limit` of the next `window` rows below the id `before`. `next`: the id below which to go on, None at the end."""
    where = _where(scope, walk, before)
    if not walk.rest.parts and len(walk.values) == bool(walk.column):
        if walk.column:
            where.add(f"e.{walk.column} = %s", walk.values[0])
        rows = fetch(
            f"SELECT {COLUMNS} FROM event e {CONSUMER} WHERE {where} {_ORDER} LIMIT %s",
            [*where.values, limit],
        )
        found = [event_of(row) for row in rows]
        return Page(found, found[-1].id if len(found) == limit else None)
    keys = f"SELECT e.id, e.shard, e.seq, e.day, ({walk.rest}) AS fits FROM event e WHERE {where}"
    given = [*walk.rest.values, *where.values]
    if walk.column:
        given.insert(0, list(walk.values))
        inner = f"""SELECT i.* FROM unnest(%s::{_TYPES[walk.column]}) v(x) CROSS JOIN LATERAL (
                      {keys} AND e.{walk.column} = v.x {_ORDER} LIMIT {window}) i ORDER BY i.id DESC LIMIT {window}"""
    else:
        inner = f"{keys} {_ORDER} LIMIT {window}"
    sql = f"""
        WITH w AS MATERIALIZED ({inner})
        SELECT m.n, m.last, r.* FROM (SELECT (SELECT count(*) FROM w) n, (SELECT id FROM w ORDER BY id LIMIT 1) last) m
        LEFT JOIN (
          SELECT {COLUMNS} FROM (SELECT * FROM w WHERE fits ORDER BY id DESC LIMIT %s) w
          JOIN event e ON e.shard = w.shard AND e.seq = w.seq AND e.day = w.day {CONSUMER}) r ON true
        ORDER BY r.id DESC"""
    rows = fetch(sql, [*given, limit])
    looked, last = rows[0][:2]
    found = [event_of(row[2:]) for row in rows if row[2] is not None]
    if len(found) == limit:
        return Page(found, found[-1].id)
    return Page(found, last.bytes if looked == window else None)


def types_of(*, scope: Scope, walk: Walk, most: int) -> list[str]:
    """The types that events of these days have, the first `most` by name."""
    where = _where(scope, Walk(since=walk.since, until=walk.until), None, ids_too=False)
    return [row[0] for row in fetch(_KINDS.format(where=where), [*where.values, *where.values, most])]


def _where(scope: Scope, walk: Walk, before: bytes | None, *, ids_too: bool = True) -> Conditions:
    # Ids begin with their time, which says near which day the row lies.
    where = Conditions()
    where.add("e.env = %s", scope.environment_id)
    if scope.consumer_id is not None:
        # Here and not in the rest: how far was looked may not tell of a stranger's events.
        where.add("e.consumer = %s", scope.consumer_id)
    uppers = [UUID(bytes=before)] if before is not None else []
    uppers += [id_floor(walk.until)] if walk.until is not None else []
    if uppers:
        upper = min(uppers)
        where.add("e.day <= %s", day_of(ids.uuid7_ms(upper.bytes)) + DAY)
        if ids_too:
            where.add("e.id < %s", upper)
    if walk.since is not None:
        where.add("e.day >= %s", day_of(walk.since) - DAY)
        if ids_too:
            where.add("e.id >= %s", id_floor(walk.since))
    if walk.column == "id":
        days = [day_of(ids.uuid7_ms(id.bytes)) for id in walk.values]
        where.add("e.day BETWEEN %s AND %s", min(days) - DAY, max(days) + DAY)
    return where


def data_of(found: Sequence[Event]) -> dict[tuple[int, int], bytes]:
    """The data of events that came through a scope, by (shard, seq)."""
    if not found:
        return {}
    rows = fetch(
        """SELECT e.shard, e.seq, e.data FROM unnest(%s::int2[], %s::int8[], %s::date[]) u(shard, seq, day)
           JOIN event e ON e.shard = u.shard AND e.seq = u.seq AND e.day = u.day WHERE e.day BETWEEN %s AND %s""",
        [
            [event.shard for event in found], [event.seq for event in found], [event.day for event in found],
            min(event.day for event in found), max(event.day for event in found),
        ],
    )  # fmt: skip
    return {(shard, seq): bytes(data) for shard, seq, data in rows}
