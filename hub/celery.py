"""The Celery application: its workers host the engine and run the background tasks."""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hub.settings")

import django
from celery import Celery

django.setup()

from celery.signals import setup_logging
from django.conf import settings
from django.utils.module_loading import import_string

from hub.ops import logs
from hub.reactors.kernel import Kernel
from hub.routing.worker import EngineStep
from hub.wiring import REACTORS, SCHEDULE

app: Any = Celery("hub")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.conf.beat_schedule = SCHEDULE


class HubEngine(EngineStep):
    """The engine with the kernel beside it, which folds what the engine's shards record."""

    def companions(self) -> dict[str, Kernel]:
        if not settings.ENV["FOLDING"]:
            return {}
        return {"reactors": Kernel([import_string(name)() for name in REACTORS])}


app.steps["worker"].add(HubEngine)


@setup_logging.connect
def _logging(**_: Any) -> None:
    """Celery logs as everything else does."""
    logs.configure(settings.ENV["LOG_LEVEL"])
