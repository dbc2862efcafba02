"""Background work of the REST API: forgetting kept answers after a day."""

from __future__ import annotations

from celery import shared_task

from hub.api import idempotency
from hub.core.clock import utcnow


@shared_task(expires=600)
def trim_answers() -> None:
    idempotency.trim(now=utcnow())
