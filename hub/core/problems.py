"""Problem documents for HTTP APIs (RFC 9457): one table of codes, one value. Never an exception's text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Final

import orjson

CONTENT_TYPE: Final = "application/problem+json"

CODES: Final[Mapping[str, tuple[int, str]]] = MappingProxyType(
    {
        "bad-request": (400, "The request can't be read"),
        "unknown-parameter": (400, "A parameter is not known"),
        "unauthenticated": (401, "Authentication is needed"),
        "forbidden": (403, "This is not allowed"),
        "not-found": (404, "Not found"),
        "method-not-allowed": (405, "This method is not offered here"),
        "not-acceptable": (406, "None of the accepted media types is offered"),
        "conflict": (409, "This conflicts with the present state"),
        "idempotency-in-flight": (409, "The first request with this key is still running"),
        "precondition-failed": (412, "It was changed in the meantime"),
        "payload-too-large": (413, "The body is too large"),
        "unsupported-media-type": (415, "This media type is not understood"),
        "invalid": (422, "Some values are not valid"),
        "idempotency-mismatch": (422, "The key was used with another body"),
        "precondition-required": (428, "An If-Match header is needed"),
        "rate-limited": (429, "Too many requests"),
        "internal": (500, "Something went wrong on our side"),
        "overloaded": (503, "Too busy at the moment"),
    }
)

_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})
_NO_EXTRA: Final[Mapping[str, Any]] = MappingProxyType({})
_OWN_MEMBERS: Final = frozenset(
    {"type", "title", "status", "detail", "instance", "code", "request_id", "errors"}
)


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong, for the caller. `errors`: mappings such as {"pointer": "/type", "detail": "…"}."""

    status: int
    code: str
    title: str
    detail: str
    errors: Sequence[Mapping[str, Any]] = ()
    headers: Mapping[str, str] = field(default_factory=lambda: _NO_HEADERS)
    extra: Mapping[str, Any] = field(default_factory=lambda: _NO_EXTRA)

    def __post_init__(self) -> None:
        if clash := _OWN_MEMBERS & self.extra.keys():
            raise ValueError(
                f"extra may not replace the standard member {sorted(clash)[0]!r}; choose another name"
            )

    @property
    def type(self) -> str:
        """A URI reference that leads to the explanation of the code."""
        return f"/problems/{self.code}"

    def body(self, request_id: str, instance: str | None = None) -> dict[str, Any]:
        """The members of the document."""
        document: dict[str, Any] = {
            "type": self.type,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "request_id": request_id,
        }
        if instance is not None:
            document["instance"] = instance
        if self.errors:
            document["errors"] = [dict(error) for error in self.errors]
        document.update(self.extra)
        return document

    def json(self, request_id: str, instance: str | None = None) -> bytes:
        """The document as bytes, to be sent as CONTENT_TYPE."""
        return orjson.dumps(self.body(request_id, instance))


class ProblemError(Exception):
    """Carries a problem from where it is found to the handler that answers with it."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.status} {problem.code}: {problem.detail}")
        self.problem = problem


def problem(
    code: str,
    detail: str,
    *,
    errors: Sequence[Mapping[str, Any]] = (),
    headers: Mapping[str, str] = _NO_HEADERS,
    extra: Mapping[str, Any] = _NO_EXTRA,
) -> Problem:
    """A problem of the table; `code` must be one of CODES."""
    status, title = CODES[code]
    return Problem(status, code, title, detail, errors, headers, extra)


def overloaded(detail: str, *, retry_after_s: int) -> Problem:
    """503 with Retry-After in seconds."""
    return problem("overloaded", detail, headers={"Retry-After": str(retry_after_s)})


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant, or None."""
    matches = get_close_matches(word[:100], list(known), n=1, cutoff=0.6)
    return matches[0] if matches else None
