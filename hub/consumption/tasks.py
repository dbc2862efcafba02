"""Background work on positions: forgetting leases an hour after they ended. Small batches, so that nobody waits for it."""

from __future__ import annotations

from celery import shared_task
from django.db import connection

KEPT = "1 hour"
BATCH = 5000
ROUNDS = 200

TRIM = f"""
delete from consumption_lease where ctid = any(array(
  select ctid from consumption_lease where until < now() - interval '{KEPT}' order by until limit {BATCH}))"""


def trim() -> int:
    """Forget leases that ended long ago, a batch a transaction; how many went."""
    gone = 0
    for _ in range(ROUNDS):
        with connection.cursor() as cursor:
            cursor.execute(TRIM)
            count = cursor.rowcount
        gone += count
        if count < BATCH:
            break
    return gone


@shared_task(expires=600)
def trim_leases() -> None:
    trim()
