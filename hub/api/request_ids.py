"""The id of a request: the caller's X-Request-Id if it is well formed, else one of ours.

It is never used to find anything.
"""

from __future__ import annotations

import re

from django.http import HttpRequest

from hub.core.ids import new_id

HEADER = "X-Request-Id"
_FORM = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def of(request: HttpRequest) -> str:
    """The same id however often it is asked for."""
    known: str | None = getattr(request, "hub_request_id", None)
    if known is None:
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        known = given if _FORM.fullmatch(given) else new_id("req")
        request.hub_request_id = known  # type: ignore[attr-defined]
    return known
