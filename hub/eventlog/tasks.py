"""Background work on the log: forgetting idempotency keys after a day. Small batches, so that nobody waits for it."""

from __future__ import annotations

from celery import shared_task
from django.db import connection

KEPT = "24 hours"
BATCH = 5000
ROUNDS = 200

TRIM = f"""
delete from idempotency where ctid = any(array(
  select ctid from idempotency where at < now() - interval '{KEPT}' limit {BATCH}))"""


def trim() -> int:
    """Forget keys older than a day, a batch a transaction; how many went."""
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
def trim_idempotency() -> None:
    trim()
