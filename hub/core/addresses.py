"""Reads the URL of an endpoint so strictly that no two programs can read it differently.

It never repairs a URL and never resolves a name; what a name resolves to is for the guard, at connect time.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final, Literal
from urllib.parse import quote

import idna

from hub.core.guard import AddressGuard

__all__ = ["AddressGuard", "BadUrl", "Endpoint", "check_url"]

MAX_LENGTH: Final = 2048
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PORT = re.compile(r"[0-9]{1,5}")
_SAFE = "/?%:@!$&'()*+,;=-._~[]"
_DEFAULT_PORTS: Final[dict[str, int]] = {"https": 443, "http": 80}


class BadUrl(ValueError):
    """The URL may not be called. `code` is one word for programs, `sentence` is for people."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a request goes. `host` is a name or a bare IP; `authority` is the value of the Host header."""

    scheme: Literal["https", "http"]
    host: str
    port: int
    target: bytes
    authority: str
    is_ip: bool


def check_url(url: str, *, allow_http: bool, guard: AddressGuard) -> Endpoint:
    """Parse an absolute http(s) URL or raise BadUrl."""
    _check_characters(url)
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in _DEFAULT_PORTS:
        raise BadUrl("scheme", "the URL must begin with https://")
    if scheme == "http" and not allow_http:
        raise BadUrl("scheme", "plain http is not allowed here; use https://")
    if "#" in rest:
        raise BadUrl("fragment", "the URL must not have a fragment (the part from #); it would never be sent")
    authority, path = _split(rest)
    if "@" in authority:
        raise BadUrl(
            "userinfo", "the URL must not hold a user name or password; use the endpoint's authentication"
        )
    written_host, port = _split_port(authority, _DEFAULT_PORTS[scheme])
    host, is_ip = _check_host(written_host, guard)
    shown = f"[{host}]" if ":" in host else host
    return Endpoint(
        scheme="https" if scheme == "https" else "http",
        host=host,
        port=port,
        target=quote(path, safe=_SAFE).encode("ascii"),
        authority=shown if port == _DEFAULT_PORTS[scheme] else f"{shown}:{port}",
        is_ip=is_ip,
    )


def _check_characters(url: str) -> None:
    if not isinstance(url, str) or not url:
        raise BadUrl("empty", "a URL is needed")
    if len(url) > MAX_LENGTH:
        raise BadUrl("length", f"the URL has {len(url)} characters; at most {MAX_LENGTH} are allowed")
    for place, character in enumerate(url, start=1):
        if character == "\\":
            raise BadUrl("character", f"the URL has a backslash at position {place}; write %5C")
        # Control, format, surrogate, unassigned; every kind of space and line end.
        if (not " " < character < "\x7f") and unicodedata.category(character)[0] in "CZ":
            raise BadUrl(
                "character",
                f"the URL has an invisible character (U+{ord(character):04X}) at position {place}",
            )


def _split(rest: str) -> tuple[str, str]:
    end = next((place for place, character in enumerate(rest) if character in "/?"), len(rest))
    path = rest[end:]
    return rest[:end], path if path.startswith("/") else "/" + path


def _split_port(authority: str, default: int) -> tuple[str, int]:
    bracket = authority.rfind("]") + 1
    if authority.startswith("[") and not bracket:
        return authority, default
    host, colon, port = authority[:bracket], "", ""
    tail = authority[bracket:]
    before, colon, port = tail.partition(":")
    host += before
    if not colon:
        return host, default
    if not _PORT.fullmatch(port) or not 1 <= int(port) <= 65535:
        raise BadUrl("port", "the port must be a number from 1 to 65535")
    return host, int(port)


def _check_host(written: str, guard: AddressGuard) -> tuple[str, bool]:
    if not written:
        raise BadUrl("host", "the URL has no host")
    if written.startswith("["):
        return _check_ip(written, guard), True
    host = written.lower()
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError) as error:
            raise BadUrl("host", "the host is not a valid international name") from error
    if host.endswith("."):
        raise BadUrl("host", "the host must not end with a dot")
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise BadUrl(
            "host", "the host is not a valid name: letters, digits and hyphens, in parts of up to 63"
        )
    # What ends in a number is an IPv4 address to some parsers and a name to others (WHATWG URL standard).
    if _NUMERIC_LABEL.fullmatch(labels[-1]):
        return _check_ip(host, guard), True
    if (host == "localhost" or host.endswith(".localhost")) and not guard.allows_loopback:
        raise BadUrl("blocked-address", "localhost may not be called from here")
    if labels[-1] in ("local", "internal") and not guard.allows_any:
        raise BadUrl(
            "blocked-address", f"names that end in .{labels[-1]} are private and may not be called from here"
        )
    return host, False


def _check_ip(written: str, guard: AddressGuard) -> str:
    try:
        if written.startswith("["):
            if not written.endswith("]"):
                raise ValueError
            ip = str(IPv6Address(written[1:-1]))
        else:
            ip = str(IPv4Address(written))
    except ValueError as error:
        raise BadUrl(
            "ip-spelling",
            "the host is neither a name nor an IP address in its usual form (1.2.3.4, [2001:…])",
        ) from error
    if reason := guard.refuse(ip):
        raise BadUrl("blocked-address", f"{ip} is {reason} and may not be called from here")
    return ip
