"""Answers the probes before anything else looks at the request: a prober calls by address, not by an allowed
host name.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

from hub.ops.health import livez, readyz

_PROBES = {"/livez": livez, "/readyz": readyz}


@sync_and_async_middleware
def probes(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """First in MIDDLEWARE."""
    if iscoroutinefunction(get_response):
        following: Callable[[HttpRequest], Awaitable[HttpResponseBase]] = get_response

        async def middleware(request: HttpRequest) -> HttpResponseBase:
            probe = _PROBES.get(request.path)
            if probe is None:
                return await following(request)
            # The process lives even when all its threads are busy.
            return (
                probe(request)
                if probe is livez
                else await sync_to_async(probe, thread_sensitive=False)(request)
            )

        return middleware

    def plain(request: HttpRequest) -> HttpResponseBase:
        probe = _PROBES.get(request.path)
        answer: HttpResponseBase = get_response(request) if probe is None else probe(request)
        return answer

    return plain
