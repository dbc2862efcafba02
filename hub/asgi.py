"""Django's ASGI application: the REST API, its pages, the admin and the probes. Events are ingest's (hub.ingest.asgi)."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hub.settings")
# A busy view thread would otherwise keep the event loop waiting for 5 ms at a time, at every turn.
sys.setswitchinterval(0.0005)

from django.core.asgi import get_asgi_application

_django = get_asgi_application()

from django.urls import get_resolver

from hub.api.longpoll import LongPoll, is_read
from hub.api.views.sinking import DELAY
from hub.consumption.waiting import Waiting

# The first request must not be the one that waits for every view to be imported.
_ = get_resolver().url_patterns

# Each page is a thread that wants the interpreter: more at once would be no faster.
_pages = asyncio.Semaphore(4)
waiting = Waiting()


async def _page(scope: Any, receive: Any, send: Any) -> None:
    async with _pages:
        await _django(scope, receive, send)


# Readers may be many, and look often: whatever they do, half of the places is left to other pages.
_reads = LongPoll(_page, waiting=waiting, at_once=2)


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Django has no lifespan of its own. A read that waits holds no place among the pages meanwhile."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    if scope["type"] == "http" and scope["path"].startswith("/sink/"):
        await _sink(scope, receive, send)
        return
    await (_reads if is_read(scope) else _page)(scope, receive, send)


async def _sink(scope: Any, receive: Any, send: Any) -> None:
    """A sink may have been told to be slow: its answer waits here, where it takes no page's place."""
    answer: list[Any] = []

    async def keep(message: Any) -> None:
        answer.append(message)

    await _page(scope, receive, keep)
    await asyncio.sleep(scope.get(DELAY, 0.0))
    for message in answer:
        await send(message)
