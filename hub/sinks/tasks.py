"""Background work of sinks: forgetting what is a day old, or more than a sink keeps."""

from __future__ import annotations

from celery import shared_task

from hub.sinks import services


@shared_task(expires=600)
def forget_caught() -> None:
    services.forget()
