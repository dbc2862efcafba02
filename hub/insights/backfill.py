"""Indexing of events from before their type had a projection, in the background: again from the beginning if it is cut off.

Whatever the engine's reactor has written already stays; both write the same rows.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from hub.core import ids
from hub.insights.entities import LARGEST
from hub.insights.key_values import values_at
from hub.insights.models import Projection
from hub.subscriptions.patterns import asking_for

logger = logging.getLogger(__name__)

AT_ONCE: Final = 500
LOCK: Final = 12
# Ids are made by the clocks of those who accept events.
SLACK: Final = timedelta(minutes=2)

PAGE: Final = f"""
select e.day, e.id, e.consumer, e.type, e.subject, e.shard, e.seq, case when e.size <= {LARGEST} then e.data end
from event e where e.env = %s and e.id > %s and e.id <= %s order by e.id limit {AT_ONCE}"""
LATEST: Final = """
insert into entity_latest (env, consumer, type, subject, shard, seq, id, day)
select %s, * from unnest(%s::int4[], %s::text[], %s::text[], %s::int2[], %s::int8[], %s::uuid[], %s::date[])
on conflict (env, consumer, type, subject) do update set shard = excluded.shard, seq = excluded.seq, id = excluded.id, day = excluded.day
where entity_latest.seq < excluded.seq"""
KEYS: Final = """
insert into event_key (env, day, path, value, id)
select %s, * from unnest(%s::date[], %s::text[], %s::text[], %s::uuid[]) on conflict do nothing"""


def index(uid: str) -> int:
    """Index all events that this projection asks for; how many it did. 0 if another is at it, or it is done."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_try_advisory_lock(%s, hashtext(%s))", [LOCK, uid])
        if not cursor.fetchone()[0]:
            return 0
    try:
        row = Projection.objects.filter(uid=uid, indexed_at=None).first()
        return 0 if row is None else _index(row)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("select pg_advisory_unlock(%s, hashtext(%s))", [LOCK, uid])


def _index(row: Projection) -> int:
    done, after = 0, UUID(int=0)
    upto = UUID(bytes=ids.uuid7_floor(int((timezone.now() + SLACK).timestamp() * 1000)))
    while True:
        with connection.cursor() as cursor:
            cursor.execute(PAGE, [row.environment_id, after, upto])
            page = cursor.fetchall()
        mine = [event for event in page if row.pattern in asking_for(event[3])]
        if mine:
            _write(row, mine)
        done += len(mine)
        if len(page) < AT_ONCE:
            break
        after = page[-1][1]
    # Only if nothing was changed meanwhile: otherwise it is done again.
    Projection.objects.filter(id=row.id, version=row.version).update(indexed_at=Now())
    logger.info("indexed %d events for the projection %s", done, row.uid)
    return done


def _write(row: Projection, events: list[tuple[Any, ...]]) -> None:
    latest: dict[tuple[int, str, str], tuple[Any, ...]] = {}
    keys = set()
    for day, id, consumer, type, subject, shard, seq, data in events:
        if subject is not None:
            key = (consumer or 0, type, subject)
            if key not in latest or latest[key][1] < seq:
                latest[key] = (shard, seq, id, day)
        if row.keys and data is not None:
            keys |= {(day, path, value, id) for path, value in values_at(row.keys, bytes(data))}
    with transaction.atomic(), connection.cursor() as cursor:
        if latest:
            rows = [(*key, *last) for key, last in sorted(latest.items())]
            cursor.execute(LATEST, [row.environment_id, *map(list, zip(*rows, strict=True))])
        if keys:
            cursor.execute(KEYS, [row.environment_id, *map(list, zip(*sorted(keys), strict=True))])


def index_all() -> None:
    """All that wait for it."""
    for uid in Projection.objects.filter(indexed_at=None).order_by("id").values_list("uid", flat=True):
        index(uid)
