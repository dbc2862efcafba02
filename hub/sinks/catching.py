"""What a sink keeps of a request, whether its signature holds, and what it answers: pure, the same for both ways in.

It keeps no credential: what proves who the sender is leaves its name alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from hub.core import ids
from hub.core.problems import CONTENT_TYPE, Problem, problem
from hub.core.signing import VerificationError, verify

MOST_TAKEN: Final = 512 * 1024
MOST_KEPT: Final = 64 * 1024
MOST_HEADERS: Final = 64
MOST_HEADER_BYTES: Final = 16 * 1024
MOST_REQUESTS: Final = 1_000
KEPT_HOURS: Final = 24
# So many in so many seconds, and 429 beyond it: a sink shows what comes, it is no store and no bench.
RATE: Final = 200
RATE_S: Final = 10
HIDDEN: Final = "(hidden)"
_CREDENTIALS: Final = frozenset({"authorization", "proxy-authorization", "cookie"})

Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Request:
    """As it came. `hidden`: lower-case names of headers whose values are somebody's secret."""

    token: str
    via: str
    method: str
    query: str
    headers: Headers
    body: bytes
    hidden: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes = b""
    headers: Headers = field(default_factory=tuple)
    latency_s: float = 0.0


def judge(request: Request, secrets: Sequence[str], *, now: float) -> str:
    """ "verified" or "wrong" by the subscription's secrets; "" where there are none to judge by."""
    if not secrets:
        return ""
    try:
        verify(dict(request.headers), request.body, secrets, now=now)
    except VerificationError:
        return "wrong"
    return "verified"


def message_id(request: Request) -> str:
    """Its webhook-id if that is one of this hub's form, else ""."""
    text = next((value for name, value in request.headers if name.lower() == "webhook-id"), "")
    try:
        ids.parse_message_id(text)
    except ids.BadId:
        return ""
    return text


def row(request: Request, *, environment: int | None, signature: str) -> dict[str, Any]:
    """The parameters of statements.CATCH. `environment` None: whoever knows the token may send."""
    headers, cut = _kept_headers(request)
    return {
        "token": request.token,
        "environment": environment,
        "uid": ids.new_id("srq"),
        "via": request.via,
        "method": request.method[:16],
        "query": _storable(request.query)[:2_048],
        "headers": orjson.dumps(headers).decode(),
        "body": request.body[:MOST_KEPT],
        "size": len(request.body),
        "truncated": cut or len(request.body) > MOST_KEPT,
        "message_id": message_id(request)[:100],
        "signature": signature,
        "rate": RATE,
        "rate_s": RATE_S,
    }


def answer(found: tuple[Mapping[str, Any], bool] | None) -> Answer:
    """What to say to the sender, by the row that CATCH gave: (respond, was it kept)."""
    if found is None:
        return _refused(problem("not-found", "There is no such sink."))
    respond, kept = found
    if not kept:
        detail = f"A sink takes {RATE} requests in {RATE_S} s."
        return _refused(problem("rate-limited", detail, headers={"Retry-After": str(RATE_S // 2)}))
    headers = [("content-type", "text/plain; charset=utf-8")] if respond["body"] else []
    return Answer(
        respond["status"],
        respond["body"].encode(errors="replace"),
        (*headers, *respond["headers"].items()),
        respond["latency_ms"] / 1000,
    )


def too_large() -> Answer:
    return _refused(problem("payload-too-large", f"A sink takes bodies of at most {MOST_TAKEN} bytes."))


def _refused(why: Problem) -> Answer:
    return Answer(
        why.status, why.json(ids.new_id("req")), (("content-type", CONTENT_TYPE), *why.headers.items())
    )


def _kept_headers(request: Request) -> tuple[list[tuple[str, str]], bool]:
    hidden = _CREDENTIALS.union(request.hidden)
    kept: list[tuple[str, str]] = []
    size = 0
    for name, value in request.headers:
        size += len(name) + len(value)
        if len(kept) == MOST_HEADERS or size > MOST_HEADER_BYTES:
            return kept, True
        kept.append((_storable(name), HIDDEN if name.lower() in hidden else _storable(value)))
    return kept, False


def _storable(text: str) -> str:
    return text.encode(errors="replace").decode().replace("\x00", "�")
