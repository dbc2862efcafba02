"""Background work on the read models, by beat: forgetting what is older than its grain is kept, indexing old events."""

from __future__ import annotations

from celery import shared_task
from django.conf import settings

from hub.eventlog import trimming
from hub.insights import backfill
from hub.insights.cells import Grain
from hub.insights.folds import DELIVERIES, EVENTS

BATCH = 5_000
KEPT = {
    Grain.minute: "INSIGHTS_MINUTES_DAYS",
    Grain.hour: "INSIGHTS_HOURS_DAYS",
    Grain.day: "INSIGHTS_DAYS_DAYS",
}

TRIM = """
delete from {table} where ctid = any(array(
  select ctid from {table} where grain = %(grain)s and at < now() - make_interval(days => %(days)s) limit %(batch)s))"""


def trim() -> int:
    """Forget cells by the days that their grain is kept; how many went."""
    return sum(
        trimming.forget(
            TRIM.format(table=table), {"grain": grain, "days": settings.ENV[setting]}, batch=BATCH
        )
        for table in (DELIVERIES.table, EVENTS.table)
        for grain, setting in KEPT.items()
    )


@shared_task(expires=3_600)
def trim_cells() -> None:
    trim()


@shared_task(expires=60)
def index_projections() -> None:
    backfill.index_all()
