"""The one door to positions, for a scope; and how one stands: its offsets, the leases out, what is unread.

Counting is bounded: beyond COUNTED rows it says "at least". It changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, Literal

import psycopg
from django.db import connection, transaction
from django.db.models import Q, QuerySet

from hub.consumption import statements
from hub.consumption.filtering import Filter
from hub.consumption.models import Position
from hub.consumption.naming import PREFIX
from hub.eventlog import selectors as eventlog
from hub.tenants import refusals
from hub.tenants.scoping import Scope

COUNTED: Final = 20_000
LEAST_COUNTED: Final = 300
BEGINNING: Final = date(2000, 1, 1)

Start = Literal["beginning", "now"] | datetime
"""Where a position begins; a moment that has not come yet means now."""

# Marks, and shards in which the position has none yet.
_PLACES = f"""
 select m.shard, m.upto, m.day, m.since, m.since_end, m.skipped_to,
  case when {statements.FREE} then null else m.lease end as lease, m.lease_until
 from consumption_mark m where m.position_id = p.id
 union all
 select s.shard, p.origin_seq, p.origin_day, null, null, null, null, null from ({statements.SHARDS}) s
 where not exists (select from consumption_mark m where m.position_id = p.id and m.shard = s.shard)"""

_STANDING = f"""
select f.shard, f.upto, f.skipped_to, f.lease, f.lease_until, b.events, b.oldest, b.looked,
 extract(epoch from clock_timestamp() - b.oldest)::float8
from consumption_position p cross join lateral ({_PLACES}) f
cross join lateral (
 select count(*) filter (where {statements.WANTED}) as events, count(*) as looked,
  min(w.created_at) filter (where {statements.WANTED}) as oldest
 from (select * from event e where e.shard = f.shard and e.seq > f.upto and e.day >= f.day - 1 and e.day <= current_date + 1
       order by e.seq limit %(scan)s) w) b
where p.id = %(position)s order by f.shard"""


# The same as `position`, written out for reads and acknowledgements: composing it by the ORM costs more than they do.
_REACHED = """
select p.id, p.consumer_id, p.types, p.channels from consumption_position p
join tenants_environment e on e.id = p.environment_id and e.tenant_id = %(tenant)s
where p.environment_id = %(env)s and (%(bound)s::int4 is null or (p.consumer_id = %(bound)s::int4 and p.own))
 and case when %(by_id)s::bool then p.uid = %(ref)s::text
     else p.name = %(ref)s::text and p.own = (%(bound)s::int4 is not null) end"""


@dataclass(frozen=True, slots=True)
class Reached:
    """A position that a scope may read from, and what it asks for."""

    id: int
    filter: Filter


@dataclass(frozen=True, slots=True)
class Place:
    """An offset of the log; what comes after it has `day` or a later one.

    With `since`, only what was accepted from then on is meant; but all beyond `end`, the log's end as that was said, so that a
    clock that goes back later hides nothing.
    """

    seq: int
    day: date
    since: datetime | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True)
class ShardStanding:
    """`offset`: read on after it. `skipped_to`: where it went on after a gap of days that are no longer kept."""

    shard: int
    offset: int
    skipped_to: int | None
    leased_until: datetime | None


@dataclass(frozen=True, slots=True)
class LeaseStanding:
    """A lease that is out, and the shards that it still holds."""

    id: Any
    shards: list[int]
    until: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """`events` not acknowledged, leased ones too; `exact` False: at least so many. `lag_s`: the age of the oldest."""

    shards: list[ShardStanding]
    leases: list[LeaseStanding]
    events: int
    exact: bool
    oldest_at: datetime | None
    lag_s: float | None


def positions(scope: Scope) -> QuerySet[Position]:
    """What the scope can reach: the environment's and its consumers', or those that one consumer's own keys made."""
    rows = Position.objects.filter(
        environment_id=scope.environment_id, environment__tenant_id=scope.tenant_id
    ).select_related("consumer")
    return rows if scope.consumer_id is None else rows.filter(consumer_id=scope.consumer_id, own=True)


def position(scope: Scope, ref: str, *, lock: bool = False, to_delete: bool = False) -> Position:
    """By its pos_ id, or by its name among those that keys of this scope make; or a 404.

    One that is locked `to_delete` is read by nobody before the end of the transaction.
    """
    rows = positions(scope)
    if lock or to_delete:
        rows = rows.select_for_update(of=("self",), no_key=not to_delete)
    named = Q(uid=ref) if ref.startswith(PREFIX) else Q(name=ref, own=scope.consumer_id is not None)
    found = rows.filter(named).first() if ref.isascii() and "\x00" not in ref else None
    if found is None:
        raise refusals.not_found("position")
    return found


def reached(scope: Scope, ref: str) -> Reached:
    """What `position` would find, as far as reading needs it; or a 404."""
    values = {
        "tenant": scope.tenant_id, "env": scope.environment_id, "bound": scope.consumer_id, "ref": ref,
        "by_id": ref.startswith(PREFIX),
    }  # fmt: skip
    found = run(_REACHED, values) if ref.isascii() and "\x00" not in ref else []
    if not found:
        raise refusals.not_found("position")
    ((number, consumer, types, channels),) = found
    assert scope.environment_id is not None
    return Reached(number, Filter(scope.environment_id, consumer, tuple(types), frozenset(channels)))


def filter_of(position: Position) -> Filter:
    """What it asks for."""
    return Filter(
        position.environment_id, position.consumer_id, tuple(position.types), frozenset(position.channels)
    )


def place(*, scope: Scope, start: Start) -> Place:
    """Where in the log that is now, for all shards: one sequence numbers them all."""
    if start == "beginning":
        return Place(0, BEGINNING)
    ((seq, today, now),) = eventlog.fetch(statements.END_OF_LOG, [])
    if isinstance(start, str) or start >= now:
        return Place(seq, today)
    ms = int(start.timestamp() * 1000)
    before, _ = eventlog.seqs_around(scope=scope, since=ms, until=None)
    return Place(before or 0, eventlog.day_of(ms), start, seq)


def standing(position: Position) -> Standing:
    """Of a position that came through the door."""
    values = filter_of(position).parameters() | {"position": position.id}
    shards = max(1, position.marks.count())
    scan = max(LEAST_COUNTED, COUNTED // shards)
    with transaction.atomic():
        run(statements.SETTINGS)
        rows = run(_STANDING, values | {"scan": scan})
    found: list[ShardStanding] = []
    leases: dict[Any, LeaseStanding] = {}
    for shard, upto, skipped_to, lease, until, *_ in rows:
        found.append(ShardStanding(shard, upto, skipped_to, until if lease else None))
        if lease:
            leases.setdefault(lease, LeaseStanding(lease, [], until)).shards.append(shard)
    oldest = min((row[6] for row in rows if row[6] is not None), default=None)
    return Standing(
        shards=found,
        leases=list(leases.values()),
        events=sum(row[5] for row in rows),
        exact=all(row[7] < scan for row in rows),
        oldest_at=oldest,
        lag_s=next((max(0.0, row[8]) for row in rows if oldest is not None and row[6] == oldest), None),
    )


def run(sql: str, values: dict[str, Any] | None = None) -> Sequence[tuple[Any, ...]]:
    """A prepared statement on Django's own session, which prepares none by itself; its rows, in binary."""
    connection.ensure_connection()
    session = connection.connection
    threshold, session.prepare_threshold = session.prepare_threshold, 0
    try:
        with connection.wrap_database_errors, psycopg.Cursor(session) as cursor:
            cursor.execute(sql, values, prepare=True, binary=True)
            return cursor.fetchall() if cursor.description else []
    finally:
        session.prepare_threshold = threshold
