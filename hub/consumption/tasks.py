"""Background work on positions: forgetting leases an hour after they ended."""

from __future__ import annotations

from celery import shared_task

from hub.eventlog import trimming

KEPT = "1 hour"
BATCH = 5000

TRIM = f"""
delete from consumption_lease where ctid = any(array(
  select ctid from consumption_lease where until < now() - interval '{KEPT}' order by until limit %(batch)s))"""


def trim() -> int:
    """Forget leases that ended long ago; how many went."""
    return trimming.forget(TRIM, {}, batch=BATCH)


@shared_task(expires=600)
def trim_leases() -> None:
    trim()
