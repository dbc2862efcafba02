"""Strong ETags made of a row's version, and what If-Match and If-None-Match ask for (RFC 9110, 13.1).

Reads no row.
"""

from __future__ import annotations

import re

from hub.core.problems import ProblemError, problem

_TAG = re.compile(r'(?:W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_OURS = re.compile(r"v(\d{1,9})(?:\.\w+)?")
NEVER = -1
"""A version that no row has: the condition can't be met."""


def make(version: int, extra: str = "") -> str:
    """`extra` tells apart what changes without a new version, such as the last use of a key."""
    return f'"v{version}.{extra}"' if extra else f'"v{version}"'


def expected_version(if_match: str | None) -> int | None:
    """The version the caller wants to change; None = any, NEVER = one that is not ours."""
    if if_match is None or if_match.strip() == "*":
        return None
    tags = _TAG.findall(if_match)
    if len(tags) != 1 or _TAG.sub("", if_match, count=1).strip():
        raise ProblemError(problem("bad-request", 'If-Match takes one ETag as it was given, such as "v3".'))
    ours = _OURS.fullmatch(tags[0])
    # If-Match compares strongly, so that a weak tag never matches.
    return int(ours[1]) if ours and not if_match.strip().startswith("W/") else NEVER


def is_known(if_none_match: str | None, etag: str) -> bool:
    """Whether the caller has this representation already."""
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or etag.strip('"') in _TAG.findall(if_none_match)
