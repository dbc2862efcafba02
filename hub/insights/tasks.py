"""Background work on the read models, by beat: forgetting what is older than its grain is kept, indexing old events."""

from __future__ import annotations

from celery import shared_task
from django.conf import settings
from django.db import connection

from hub.insights import backfill
from hub.insights.cells import Grain
from hub.insights.folds import DELIVERIES, EVENTS

BATCH = 5_000
ROUNDS = 400
KEPT = {
    Grain.minute: "INSIGHTS_MINUTES_DAYS",
    Grain.hour: "INSIGHTS_HOURS_DAYS",
    Grain.day: "INSIGHTS_DAYS_DAYS",
}


def trim() -> int:
    """Forget cells by the days that their grain is kept, a batch a transaction; how many went."""
    gone = 0
    for table in (DELIVERIES.table, EVENTS.table):
        for grain, setting in KEPT.items():
            for _ in range(ROUNDS):
                with connection.cursor() as cursor:
                    cursor.execute(
                        f"delete from {table} where ctid = any(array(select ctid from {table}"
                        f" where grain = %s and at < now() - make_interval(days => %s) limit {BATCH}))",
                        [grain, settings.ENV[setting]],
                    )
                    count = cursor.rowcount
                gone += count
                if count < BATCH:
                    break
    return gone


@shared_task(expires=3_600)
def trim_cells() -> None:
    trim()


@shared_task(expires=60)
def index_projections() -> None:
    backfill.index_all()
