"""Ingest's own ASGI application, without Django's pages: what its protocol leaves to the server (chunked bodies, other
framings) and `/livez`. Everything else was handed to the pages before it could come here.
"""

from __future__ import annotations

import os
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hub.settings")
sys.setswitchinterval(0.0002)

import django

django.setup()

from hub.ingest.app import NO_PAGES, PATHS, IngestApp, Receive, Scope, Send, lifespan, refusal

ingest = IngestApp()


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Events and `/livez`."""
    if scope["type"] == "lifespan":
        await lifespan(ingest, receive, send)
    elif scope["type"] == "http":
        if scope["path"] in PATHS and scope["method"] == "POST":
            await ingest(scope, receive, send)
            return
        if scope["path"] == "/livez":
            status, head, body = 200, [(b"content-type", b"application/json")], b'{"status": "alive"}'
        else:
            # Pipelined behind a request that was under way, or in a spelling that only the server's parser sees through.
            answer = refusal(NO_PAGES, None)
            status, head, body = answer.status, [*answer.head, (b"connection", b"close")], answer.body
        head = [*head, (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": body if scope["method"] != "HEAD" else b""})
