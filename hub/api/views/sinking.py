"""The address of a sink as the world sees it: takes any request of anybody, keeps it, answers as it was told.

It shows nothing of what was kept, and lets no answer act in a browser under the hub's name.
"""

from __future__ import annotations

import time

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from hub.sinks.catching import MOST_TAKEN, Answer, Request, too_large
from hub.subscriptions.reception import receive

# How hub.asgi hears that the answer is to wait, which must not keep a page's place meanwhile.
DELAY = "trunkline.answer_after_s"


@csrf_exempt
def sink(request: HttpRequest, token: str) -> HttpResponse:
    """Every method."""
    body = _body(request)
    if body is None:
        answer = too_large()
    else:
        came = Request(
            token=token,
            via="http",
            method=request.method or "",
            query=request.META.get("QUERY_STRING", ""),
            headers=[(name.lower(), value) for name, value in request.headers.items()],
            body=body,
        )
        answer = receive(came, now=time.time())
    scope = getattr(request, "scope", None)
    if scope is not None:
        scope[DELAY] = answer.latency_s
    return _response(answer)


def _body(request: HttpRequest) -> bytes | None:
    length = request.META.get("CONTENT_LENGTH") or "0"
    if length.isdigit() and int(length) > MOST_TAKEN:
        return None
    body: bytes = request.read(MOST_TAKEN + 1)
    return None if len(body) > MOST_TAKEN else body


def _response(answer: Answer) -> HttpResponse:
    response = HttpResponse(answer.body, status=answer.status, content_type="text/plain; charset=utf-8")
    for name, value in answer.headers:
        response[name] = value
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response["Cache-Control"] = "no-store"
    return response
