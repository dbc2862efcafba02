"""JSON as bytes, through orjson, and text that is safe to store. It never repairs what it refuses."""

from __future__ import annotations

import re
from typing import Any

import orjson

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_SURROGATE = re.compile("[\ud800-\udfff]")


class BadJson(ValueError):
    """The bytes are not JSON; carries where."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(f"{message} (line {line}, column {column})")
        self.message = message
        self.line = line
        self.column = column


class BadText(ValueError):
    """The value is not a text that can be stored; the message is a sentence for its sender."""


def loads(raw: bytes) -> Any:
    """Parse UTF-8 JSON (RFC 8259: no NaN, no comments, no lone surrogates)."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise BadJson(error.msg, error.lineno, error.colno) from error


def dumps(value: Any) -> bytes:
    """Compact UTF-8; datetimes become RFC 3339 text, UTC as Z."""
    return orjson.dumps(value, option=orjson.OPT_UTC_Z)


def clean_text(value: object, *, name: str, max_length: int) -> str:
    """The text itself, or BadText if it can't be stored (NUL, lone surrogates) or shown (controls)."""
    if not isinstance(value, str):
        raise BadText(f"{name} must be a text, not {type(value).__name__}")
    if len(value) > max_length:
        raise BadText(f"{name} has {len(value)} characters; at most {max_length} are allowed")
    if found := _CONTROL.search(value):
        raise BadText(
            f"{name} has a control character (U+{ord(found[0]):04X}) at position {found.start() + 1};"
            " remove it"
        )
    if found := _SURROGATE.search(value):
        raise BadText(
            f"{name} has half of a surrogate pair (U+{ord(found[0]):04X}) at position {found.start() + 1};"
            " send complete Unicode characters"
        )
    return value
