"""Where and how a subscription's requests go, prepared once: the checked endpoint and the request's head.

It never lets a caller's header end the line, frame the message or steer the connection.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hub.core.addresses import Endpoint
from hub.core.http.connection import Origin

MAX_HEADERS: Final = 64
MAX_HEADER_BYTES: Final = 16 * 1024

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
_VALUE = re.compile(r"[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?|")
# Framing and hop-by-hop fields (RFC 9110 7.6.1, RFC 9112) belong to the connection and not to the caller.
_REFUSED = frozenset(
    [
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "upgrade",
        "expect",
        "http2-settings",
        "proxy-connection",
        "proxy-authorization",
        "proxy-authenticate",
    ]
)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class BadHeader(ValueError):
    """A header may not be sent; the message is a sentence for the one who set it, without the value."""

    def __init__(self, name: str, sentence: str) -> None:
        super().__init__(sentence)
        self.name = name


@dataclass(frozen=True, slots=True)
class Target:
    """Prepared by Sender.target(); holds header values, so it is never logged."""

    endpoint: Endpoint
    origin: Origin
    method: str
    head: bytes
    head_only: bool

    def __repr__(self) -> str:
        return f"<Target {self.method} {self.endpoint.scheme}://{self.endpoint.authority}>"


def request_head(
    endpoint: Endpoint, *, method: str, headers: Sequence[tuple[str, str]], user_agent: str
) -> bytes:
    """Request line and fixed headers, each with its CR LF; raises BadHeader."""
    if method not in _METHODS:
        raise BadHeader("", f"the method must be one of {', '.join(sorted(_METHODS))}")
    if len(headers) > MAX_HEADERS:
        raise BadHeader("", f"there are {len(headers)} headers; at most {MAX_HEADERS} are allowed")
    for name, value in headers:
        check_header(name, value)
    lines = [f"{method} {endpoint.target.decode('ascii')} HTTP/1.1", f"host: {endpoint.authority}"]
    if not any(name.lower() == "user-agent" for name, _ in headers):
        check_header("user-agent", user_agent)
        lines.append(f"user-agent: {user_agent}")
    lines += [f"{name}: {value}" for name, value in headers]
    head = ("\r\n".join(lines) + "\r\n").encode("ascii")
    if len(head) > MAX_HEADER_BYTES + len(endpoint.target):
        raise BadHeader("", f"the headers have more than {MAX_HEADER_BYTES} bytes")
    return head


def check_header(name: str, value: str) -> None:
    """Raise BadHeader unless name and value may be set by a caller (RFC 9110 5.1 and 5.5)."""
    if not isinstance(name, str) or not _TOKEN.fullmatch(name):
        raise BadHeader(str(name)[:60], "a header name consists of letters, digits and !#$%&'*+-.^_`|~")
    if name.lower() in _REFUSED:
        raise BadHeader(name, f"the header {name} is set by the connection itself; leave it out")
    if not isinstance(value, str) or not _VALUE.fullmatch(value):
        raise BadHeader(
            name,
            f"the value of {name} must be printable ASCII, without line ends or spaces at either end",
        )
