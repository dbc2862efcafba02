"""Whether a request is a delivery of Trunkline's: signature, age, headers, body. It stores nothing.

Signed is "<webhook-id>.<webhook-timestamp>.<body>"; while secrets rotate, several signatures stand in one header
(https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md).
"""

from __future__ import annotations

import re
import time
from base64 import b64decode
from collections.abc import Iterable
from typing import Any, Protocol

from trunkline_consumer.delivery import Delivery, read
from trunkline_consumer.errors import (
    BadSecret,
    MalformedHeader,
    MissingHeader,
    NoMatchingSignature,
    TimestampTooNew,
    TimestampTooOld,
)
from trunkline_consumer.keys import Signature, key_of

__all__ = ["Headers", "Verifier"]

TOLERANCE_S = 300
_SIGNED = ("webhook-id", "webhook-timestamp", "webhook-signature")
_OURS = (*_SIGNED, "trunkline-attempt", "trunkline-run")
# A WSGI environ, which is request.META in Django, has HTTP_WEBHOOK_ID.
_NAMES = {name: name for name in _OURS} | {f"http_{name.replace('-', '_')}": name for name in _OURS}
# The specification forbids the full stop, so that the signed parts can't be cut otherwise.
_ID = re.compile(r"[!-\-/-~]{1,256}")
_NUMBER = re.compile(r"[0-9]{1,15}")
_MAX_SIGNATURES = 32


class Headers(Protocol):
    """A mapping of names to values, or anything with its `items`, such as `http.server` has."""

    def items(self) -> Iterable[tuple[str, Any]]: ...


class Verifier:
    """Make one when the program starts, with every secret that may sign: two while they rotate.

    Raises BadSecret. `tolerance_s`: how far `webhook-timestamp` may be from now, either way.
    """

    def __init__(self, secrets: str | Iterable[str], *, tolerance_s: int = TOLERANCE_S) -> None:
        self._keys = [key_of(secret) for secret in ([secrets] if isinstance(secrets, str) else secrets)]
        if not self._keys:
            raise BadSecret("give at least one secret")
        self._tolerance_s = tolerance_s

    def verify(self, body: bytes, headers: Headers, now: float | None = None) -> Delivery:
        """`body`: the bytes as they came, before any parsing. `headers`: names in any case, or WSGI's.

        Raises a VerificationError, and no other error whatever was sent. `now`: seconds since 1970.
        """
        if not isinstance(body, bytes):
            raise TypeError("body must be the bytes as they came; a parsed or decoded body can't be verified")
        found = _ours(headers)
        id, stamp, signatures = (found[name] for name in _SIGNED)
        if not _ID.fullmatch(id):
            raise MalformedHeader("webhook-id must be 1 to 256 visible ASCII characters without a full stop")
        timestamp = _number(found, "webhook-timestamp", 0)
        self._check_age(timestamp, time.time() if now is None else now)
        offered = _signatures(signatures)
        content = f"{id}.{stamp}.".encode("ascii") + body
        matched = False
        for matches in self._keys:
            # No early end: the time spent must not tell which secret matched.
            matched |= matches(content, offered)
        if not matched:
            raise NoMatchingSignature("no signature in webhook-signature matches this body and secret")
        attempt, run = _number(found, "trunkline-attempt", 1), _number(found, "trunkline-run", 0)
        return read(body, id=id, timestamp=timestamp, attempt=attempt, run=run)

    def _check_age(self, timestamp: int, now: float) -> None:
        if timestamp < now - self._tolerance_s:
            raise TimestampTooOld(f"webhook-timestamp is over {self._tolerance_s} s in the past")
        if timestamp > now + self._tolerance_s:
            raise TimestampTooNew(f"webhook-timestamp is over {self._tolerance_s} s ahead; check the clocks")


def _ours(headers: Headers) -> dict[str, str]:
    found: dict[str, str] = {}
    for written, value in headers.items():
        name = _NAMES.get(written.lower()) if isinstance(written, str) else None
        if name is None:
            continue
        if not isinstance(value, str):
            raise MalformedHeader(f"the header {name} is no text")
        if found.setdefault(name, value) != value:
            raise MalformedHeader(f"the header {name} is there twice")
    for name in _SIGNED:
        if not found.get(name):
            raise MissingHeader(f"the header {name} is missing")
    return found


def _number(found: dict[str, str], name: str, missing: int) -> int:
    text = found.get(name)
    if text is None:
        return missing
    if not _NUMBER.fullmatch(text):
        raise MalformedHeader(f"{name} must be a whole number")
    return int(text)


def _signatures(header: str) -> list[Signature]:
    """Every readable signature; unknown versions and broken ones are passed over, as the specification asks."""
    readable, unknown = [], False
    for part in header.split(" ", _MAX_SIGNATURES)[:_MAX_SIGNATURES]:
        version, comma, encoded = part.partition(",")
        if not comma or version not in ("v1", "v1a"):
            unknown |= bool(comma and version)
            continue
        try:
            readable.append((version, b64decode(encoded, validate=True)))
        except ValueError:
            continue
    if not readable and not unknown:
        raise MalformedHeader("webhook-signature must hold signatures such as v1,<base64>")
    return readable
