"""The engine as a step of a Celery worker: it starts before the broker is reached, goes on without one, and stops with the worker.

It uses no queue: ownership is by database locks, so the broker may vanish at any time.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Mapping
from typing import Any

import uvloop
from celery import bootsteps
from django.conf import settings

from hub.routing.engine import Engine
from hub.routing.hosting import Companion

logger = logging.getLogger(__name__)

STOP_S = 15.0


class EngineStep(bootsteps.StartStopStep):
    """One engine on a uvloop in a thread of its own."""

    requires = ("celery.worker.components:Timer",)

    def __init__(self, parent: Any, **options: Any) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._engine: Engine | None = None
        super().__init__(parent, **options)

    def companions(self) -> Mapping[str, Companion]:
        """Who works beside the engine, by the name under which it is reported."""
        return {}

    def include_if(self, parent: Any) -> bool:
        return bool(settings.ENV["ENGINE"])

    def start(self, parent: Any) -> None:
        sys.setswitchinterval(0.0005)
        ready = threading.Event()
        self._thread = threading.Thread(target=self._main, args=(ready,), name="engine", daemon=True)
        self._thread.start()
        ready.wait(10)

    def _main(self, ready: threading.Event) -> None:
        async def live() -> None:
            self._loop = asyncio.get_running_loop()
            self._engine = Engine(self.companions())
            ready.set()
            await self._engine.run()

        try:
            uvloop.run(live())
        except Exception:
            # A worker without its engine would look alive and own nothing; whoever supervises it starts a whole one.
            logger.exception("the engine ended; so does its worker")
            os.kill(os.getpid(), signal.SIGTERM)

    def stop(self, parent: Any) -> None:
        if (
            self._loop is not None
            and self._engine is not None
            and self._thread is not None
            and self._thread.is_alive()
        ):
            self._loop.call_soon_threadsafe(self._engine.stop)
            self._thread.join(STOP_S)

    terminate = stop
