"""The root ASGI application: the hot paths are answered by ingest itself, everything else by Django."""

from __future__ import annotations

import asyncio
import os
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hub.settings")
# A busy view thread would otherwise keep the event loop waiting for 5 ms at a time, at every turn.
sys.setswitchinterval(0.0002)

from django.core.asgi import get_asgi_application

_django = get_asgi_application()

from django.urls import get_resolver

# The first request must not be the one that waits for every view to be imported.
_ = get_resolver().url_patterns

from hub.ingest.app import PATHS, IngestApp, Receive, Scope, Send, lifespan
from hub.ingest.protocol import IngestProtocol
from hub.ops import registry

ingest = IngestApp()
_intake, _batcher = ingest.intake, ingest.intake.batcher
registry.register_ingest(lambda: (_batcher.events, _intake.refused, _batcher.commits, _batcher.pending))
registry.register_readiness(
    "ingest", lambda: "" if _batcher.available else "the log can't be written at the moment"
)


class Protocol(IngestProtocol):
    """What the web server speaks (`--http hub.asgi:Protocol`)."""

    ingest = ingest


# Each page is a thread that wants the interpreter: more at once would be no faster, and ingest would wait for all of them.
_pages = asyncio.Semaphore(3)


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        if scope["path"] in PATHS and scope["method"] == "POST":
            await ingest(scope, receive, send)
        else:
            async with _pages:
                await _django(scope, receive, send)  # type: ignore[arg-type]
    elif scope["type"] == "lifespan":
        await lifespan(ingest, receive, send)
