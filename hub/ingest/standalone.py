"""Ingest alone, to scale it out: the same application without Django's pages, for as many processes as there are cores.

`uvicorn hub.ingest.standalone:application --http hub.ingest.standalone:Protocol --port …`, behind one load balancer.
"""

from __future__ import annotations

import os
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hub.settings")
sys.setswitchinterval(0.0002)

import django

django.setup()

from hub.core.problems import ProblemError, problem
from hub.ingest.app import PATHS, IngestApp, Receive, Scope, Send, lifespan, refusal
from hub.ingest.protocol import IngestProtocol

ingest = IngestApp()


class Protocol(IngestProtocol):
    """What its server speaks."""

    ingest = ingest


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Events and `/livez`; everything else is another process's."""
    if scope["type"] == "lifespan":
        await lifespan(ingest, receive, send)
    elif scope["type"] == "http":
        if scope["path"] in PATHS and scope["method"] == "POST":
            await ingest(scope, receive, send)
            return
        status, head, body = 200, [(b"content-type", b"text/plain")], b"ok\n"
        if scope["path"] != "/livez":
            answer = refusal(ProblemError(problem("not-found", "This process takes events only.")), None)
            status, head, body = answer.status, answer.head, answer.body
        head = [*head, (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": body})
