"""What names, metadata and limits may hold, as (field, sentence) pairs. Never touches a row."""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import isfinite
from typing import Any, Final

from hub.core.jsonbytes import BadText, clean_text, dumps

UID: Final = re.compile(r"[A-Za-z0-9_.:@-]{1,128}")
METADATA_BYTES: Final = 8192
_DEPTH: Final = 20
LIMITS: Final = ("subscriptions", "events_per_second")


def name(
    value: object, *, field: str = "name", max_length: int = 200, needed: bool = False
) -> Iterator[tuple[str, str]]:
    try:
        text = clean_text(value, name=field, max_length=max_length)
    except BadText as error:
        yield field, str(error)
        return
    if needed and not text.strip():
        yield field, "must not be empty"


def consumer_uid(value: str) -> Iterator[tuple[str, str]]:
    if not UID.fullmatch(value):
        yield "uid", "must be 1 to 128 of the characters A-Z a-z 0-9 _ . : @ -"
    elif value.startswith("con_"):
        yield "uid", "must not begin with con_, which marks our own ids"


def metadata(value: object) -> Iterator[tuple[str, str]]:
    """A JSON object of at most 8 KiB that PostgreSQL can hold."""
    if not isinstance(value, dict):
        yield "metadata", "must be an object"
    elif (reason := _unstorable(value, _DEPTH)) is not None:
        yield "metadata", reason
    elif len(dumps(value)) > METADATA_BYTES:
        yield "metadata", f"must be at most {METADATA_BYTES} bytes as JSON"


def limits(value: object) -> Iterator[tuple[str, str]]:
    """{"subscriptions": whole number, "events_per_second": number}, each optional."""
    if not isinstance(value, dict):
        yield "limits", "must be an object"
        return
    for key, limit in value.items():
        if key not in LIMITS:
            yield f"limits.{key}", f"is not a limit; there are {' and '.join(LIMITS)}"
        elif isinstance(limit, bool) or not isinstance(limit, int if key == "subscriptions" else int | float):
            yield f"limits.{key}", "must be a number" if key != "subscriptions" else "must be a whole number"
        elif not 0 <= limit <= 1_000_000 or (key == "events_per_second" and limit <= 0):
            yield (
                f"limits.{key}",
                "must be from 0 to 1000000" if key == "subscriptions" else "must be above 0, to 1000000",
            )


def _unstorable(value: Any, depth: int) -> str | None:
    if depth == 0:
        return f"must not be nested deeper than {_DEPTH} levels"
    if isinstance(value, str):
        return "must not contain the character U+0000" if "\x00" in value else None
    if isinstance(value, float):
        return None if isfinite(value) else "must not contain a number that large"
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list):
        return next((reason for item in value if (reason := _unstorable(item, depth - 1))), None)
    return None
