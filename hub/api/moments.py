"""Moments in queries and bodies: RFC 3339, or how long ago, such as 24h. The clock is an argument."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from hub.api.pagination import bad_parameter

_AGO = r"[1-9][0-9]{0,4}[smhd]"
_RFC3339 = (
    r"[12][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(\.[0-9]{1,6})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
)
EITHER: Final = rf"{_AGO}|{_RFC3339}"
PATTERN: Final = rf"^({EITHER})\Z"
HINT: Final = "RFC 3339, such as 2026-01-31T12:00:00Z, or how long ago: 90s, 30m, 24h, 7d."
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_WANTED = "must be RFC 3339 with an offset, such as 2026-01-31T12:00:00Z, or how long ago, such as 24h"


class BadMoment(ValueError):
    """The text is no moment; the message says what is wanted."""


def parse(text: str, *, now: datetime) -> datetime:
    """The moment in UTC."""
    if re.fullmatch(_AGO, text):
        return now - timedelta(**{_UNITS[text[-1]]: int(text[:-1])})
    if not re.fullmatch(_RFC3339, text):
        raise BadMoment(_WANTED)
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadMoment(_WANTED) from None


def parameters(of: str) -> tuple[OpenApiParameter, OpenApiParameter]:
    """`since` and `until` of a list; `of` says what they are compared with."""
    schema = {"type": "string", "pattern": PATTERN.replace(r"\Z", "$")}
    return (
        OpenApiParameter("since", schema, description=f"Only {of} at or after it. {HINT}"),
        OpenApiParameter("until", schema, description=f"Only {of} before it. {HINT}"),
    )


def asked(request: Request, name: str, *, now: datetime) -> datetime | None:
    """A query parameter as the moment it means, or None."""
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        return parse(text, now=now)
    except BadMoment as error:
        raise bad_parameter(name, str(error)) from None


def is_relative(text: str) -> bool:
    """Does a moment's text say how long ago?"""
    return re.fullmatch(_AGO, text) is not None
