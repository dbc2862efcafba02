"""Pages by position, newest first, with opaque cursors that open for their own list and scope only.

It never counts and never skips rows, so that page 1,000 costs what page 1 does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from hub.core.jsonbytes import dumps, loads
from hub.core.problems import ProblemError, problem
from hub.core.sealing import SealError
from hub.subscriptions.vault import keyring
from hub.tenants.scoping import Scope

DEFAULT, LARGEST = 50, 200
PARAMETERS = (
    OpenApiParameter(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": LARGEST, "default": DEFAULT},
        description="How many at most.",
    ),
    OpenApiParameter("cursor", str, description="`next_cursor` of the page before."),
)


def limit_of(request: Request) -> int:
    """The page size asked for."""
    return whole(request, "limit", default=DEFAULT, smallest=1, largest=LARGEST)


def whole(request: Request, name: str, *, default: int = 0, smallest: int = 0, largest: int) -> int:
    """A query parameter that is a number."""
    text = request.query_params.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 20 and smallest <= int(text) <= largest):
        raise bad_parameter(name, f"must be a whole number from {smallest} to {largest}")
    return int(text)


def seal_cursor(position: Any, *, name: str, scope: Scope) -> str:
    """A cursor that stands for `position` (JSON) in the list `name` of this scope."""
    return keyring().seal(dumps(position), context=_context(name, scope))


def open_cursor(request: Request, *, name: str, scope: Scope) -> Any:
    """The position, or None at the beginning."""
    text = request.query_params.get("cursor")
    if text is None:
        return None
    try:
        return loads(keyring().open(text, context=_context(name, scope)))
    except SealError:
        raise bad_parameter(
            "cursor", "is not one that this list gave out for these parameters; begin without it"
        ) from None


def page(
    request: Request, rows: QuerySet[Any], *, name: str, output: type[serializers.Serializer[Any]]
) -> Response:
    """One page of the rows by descending id."""
    scope: Scope = request.auth
    limit = limit_of(request)
    last = open_cursor(request, name=name, scope=scope)
    if last is not None:
        rows = rows.filter(id__lt=last)
    found = list(rows.order_by("-id")[: limit + 1])
    more = len(found) > limit
    found = found[:limit]
    return answer(output(found, many=True).data, found[-1].id if more else None, name=name, scope=scope)


def answer(rows: Sequence[Any], position: Any, *, name: str, scope: Scope) -> Response:
    """A list's answer; `position` (JSON) is where its next page begins, None if this is the last."""
    cursor = None if position is None else seal_cursor(position, name=name, scope=scope)
    return Response({"data": rows, "next_cursor": cursor, "has_more": cursor is not None})


def bad_parameter(name: str, detail: str, **more: Any) -> ProblemError:
    """400 for a query parameter; `more` are further members of the error."""
    errors = [{"parameter": name, "detail": detail, **more}]
    return ProblemError(problem("bad-request", f"{name}: {detail}.", errors=errors))


def _context(name: str, scope: Scope) -> bytes:
    return f"cursor:{name}:{scope.environment_id}:{scope.consumer_id}".encode()
