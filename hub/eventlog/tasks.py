"""Background work on the log: forgetting idempotency keys after a day."""

from __future__ import annotations

from celery import shared_task

from hub.eventlog import trimming

KEPT = "24 hours"
BATCH = 5000

TRIM = f"""
delete from idempotency where ctid = any(array(
  select ctid from idempotency where at < now() - interval '{KEPT}' limit %(batch)s))"""


def trim() -> int:
    """Forget keys older than a day; how many went."""
    return trimming.forget(TRIM, {}, batch=BATCH)


@shared_task(expires=600)
def trim_idempotency() -> None:
    trim()
