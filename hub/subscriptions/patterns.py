"""Event types and the patterns that ask for them: exact, `order.*`, and `*` for all.

It never looks at an event's content, and knows no subscription.
"""

from __future__ import annotations

import re
from typing import Final

MAX_LENGTH: Final = 128
ALL: Final = "*"
RESERVED_PREFIX: Final = "hub."

_TYPE = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")
_BAD_CHARACTER = re.compile(r"[^A-Za-z0-9_.-]")


class BadPattern(ValueError):
    """The text is no event type, or no pattern; the message says what to change."""


def validate_type(text: object) -> str:
    """`text` if it is an event type: segments of A-Z a-z 0-9 _ - joined by dots; else BadPattern."""
    if isinstance(text, str) and len(text) <= MAX_LENGTH and _TYPE.fullmatch(text):
        return text
    raise BadPattern(_complaint(text, what="event type"))


def validate_pattern(text: object) -> str:
    """`text` if it is `*`, an event type, or an event type followed by `.*`; else BadPattern."""
    if text == ALL:
        return ALL
    if isinstance(text, str) and len(text) <= MAX_LENGTH and _TYPE.fullmatch(text.removesuffix(".*")):
        return text
    raise BadPattern(_complaint(text, what="pattern"))


def _complaint(text: object, *, what: str) -> str:
    if not isinstance(text, str):
        return f"an {what} is a text" if what == "event type" else f"a {what} is a text"
    if not text:
        return f"the {what} is empty; write something like order.created"
    if len(text) > MAX_LENGTH:
        return f"the {what} has {len(text)} characters; at most {MAX_LENGTH} are allowed"
    if "*" in text:
        if what == "event type":
            return f"{text!r} has a *; only patterns may, an event has one exact type"
        return (
            f"{text!r} has a * where none may stand; write * alone, or end the pattern with .* as in order.*"
        )
    if bad := _BAD_CHARACTER.search(text):
        return f"{text!r} has the character {bad[0]!r}; use letters A-Z a-z, digits, _ and -, joined by dots"
    return f"{text!r} has an empty segment; put one dot between segments, none at the start or the end"


def is_reserved(type: str) -> bool:
    """Is it one of the hub's own types? Nobody else may post those, and `*` leaves them out."""
    return type.startswith(RESERVED_PREFIX)


def matches(pattern: str, type: str) -> bool:
    """Does the pattern ask for this type? `order.*` takes one or more further segments, so not `order`."""
    if pattern == ALL:
        return not is_reserved(type)
    if pattern.endswith(".*"):
        return type.startswith(pattern[:-1])
    return pattern == type


def asking_for(type: str) -> list[str]:
    """Every pattern that matches `type`: as many as it has segments, and `*`. What an index looks up."""
    found = [type]
    dot = type.rfind(".")
    while dot > 0:
        found.append(type[: dot + 1] + "*")
        dot = type.rfind(".", 0, dot)
    if not is_reserved(type):
        found.append(ALL)
    return found
