"""How a sink may be told to answer, and the stored form of it. It never asks who asks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

MOST_SINKS: Final = 10
MOST_BODY: Final = 4_096
MOST_HEADERS: Final = 10
MOST_VALUE: Final = 200
MOST_LATENCY_MS: Final = 60_000
DEFAULTS: Final[Mapping[str, Any]] = {"status": 200, "body": "", "headers": {}, "latency_ms": 0}
# RFC 9110: answers with these have no content.
BODILESS: Final = (204, 205, 304)
# What an answer says under the hub's own name is kept from steering a browser or a connection.
_NAME = re.compile(r"retry-after|x-[a-z0-9-]{1,60}", re.IGNORECASE)
_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")


def check_respond(value: object) -> list[tuple[str, str]]:
    """(member, sentence) of each fault."""
    if not isinstance(value, Mapping):
        return [("", f"must be an object with some of {', '.join(DEFAULTS)}")]
    found = [
        (name, f"is not known; use some of {', '.join(DEFAULTS)}") for name in value if name not in DEFAULTS
    ]
    given = {**DEFAULTS, **value}
    if not _is_whole(given["status"], 200, 599):
        found.append(("status", "must be a whole number between 200 and 599"))
    if not _is_whole(given["latency_ms"], 0, MOST_LATENCY_MS):
        found.append(("latency_ms", f"must be a whole number between 0 and {MOST_LATENCY_MS}"))
    body = given["body"]
    if not isinstance(body, str) or "\x00" in body or len(body.encode(errors="replace")) > MOST_BODY:
        found.append(("body", f"must be a text of at most {MOST_BODY} bytes without U+0000"))
    elif body and given["status"] in BODILESS:
        found.append(("body", f"must be empty with the status {given['status']}, which has none"))
    return found + [("headers", message) for message in _header_problems(given["headers"])]


def stored(value: Mapping[str, Any]) -> dict[str, Any]:
    """Every member, those left out with their default."""
    return {**DEFAULTS, **value}


def _header_problems(headers: object) -> list[str]:
    if not isinstance(headers, Mapping) or len(headers) > MOST_HEADERS:
        return [f"must be an object of at most {MOST_HEADERS} names and values"]
    found = []
    for name, value in headers.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            found.append(f"{str(name)[:60]!r} can't be set; Retry-After and names that begin with X- can")
        elif not isinstance(value, str) or len(value) > MOST_VALUE or not _VALUE.fullmatch(value):
            found.append(f"{name} must have a value of 1 to {MOST_VALUE} printable ASCII characters")
    if len({str(name).lower() for name in headers}) < len(headers):
        found.append("names must differ in more than upper and lower case")
    return found


def _is_whole(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
