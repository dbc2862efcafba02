"""What a restored database holds and what starting it would send: read before the first worker starts. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

import psycopg

from hub.ops.doctor import hub_state
from hub.ops.doctor.database import row
from hub.ops.doctor.finding import Finding, fail, ok, warn
from hub.ops.session import session

# The event sequence must stand beyond every event, or the next would take an offset that is taken.
LAST: Final = """
select clock_timestamp(), (select max(created_at) from event where day >= current_date - 60),
       (select max(at) from attempt where day >= current_date - 60),
       (select coalesce(max(seq), 0) from event), (select last_value from event_seq)"""
WAITING: Final = """
select (select coalesce(sum(cardinality(seqs)), 0) from parcel), (select count(*) from due),
       (select count(*) from due where not held and due_at < clock_timestamp()),
       (select count(distinct sub) from (select sub from parcel union all select sub from due) w)"""
UNROUTED: Final = """
select count(*) from event e where e.day >= current_date - 60 and e.seq > coalesce(
  (select upto from routed r where r.shard = e.shard order by step desc limit 1), 0)"""


def age(*, now: datetime, event: datetime | None, attempt: datetime | None) -> Finding:
    """Pure. How old what was restored is."""
    if event is None:
        return warn("age", "there is no event of the last 60 days", "Is this the backup you meant?")
    last = max(event, attempt or event)
    return ok(
        "age",
        f"the last event is of {event:%Y-%m-%d %H:%M:%S} UTC, {int((now - last).total_seconds())} s before now",
    )


def sequence(*, highest: int, last: int) -> Finding:
    """Pure."""
    if highest > last:
        return fail("offsets", f"events go up to {highest}, the sequence stands at {last}",
                    f"As the owner: select setval('event_seq', {highest + 1_000_000}).")  # fmt: skip
    return ok("offsets", f"events go up to {highest}")


def waiting(*, parcels: int, dues: int, late: int, subscriptions: int, unrouted: int) -> Finding:
    """Pure. What goes out as soon as a worker sends."""
    count = parcels + dues
    if not count and not unrouted:
        return ok("to be sent", "nothing waits")
    return warn("to be sent", f"up to {count} deliveries wait for {subscriptions} subscriptions ({late} retries are overdue),"
                f" {unrouted} events are not routed yet",
                "What was sent after the backup goes out again, with the same webhook-id. Start with PAUSED=true and"
                " cancel what must not.")  # fmt: skip


def look() -> Iterator[Finding]:
    """Doctor's view of the tables, and this. Raises psycopg.Error."""
    yield from hub_state.look()
    with session(name="backup check", statement_s=120) as connection:
        yield from _tables(connection)


def _tables(connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    now, event, attempt, highest, last = row(connection, LAST)
    yield age(now=now, event=event, attempt=attempt)
    yield sequence(highest=highest, last=last)
    parcels, dues, late, subscriptions = row(connection, WAITING)
    yield waiting(
        parcels=int(parcels),
        dues=dues,
        late=late,
        subscriptions=subscriptions,
        unrouted=row(connection, UNROUTED)[0],
    )
