"""Signing and verifying by Standard Webhooks: HMAC-SHA256 (`v1`) and ed25519 (`v1a`). Never shows a secret.

Signed is "<webhook-id>.<webhook-timestamp>.<body>"; several signatures stand in one header while secrets
rotate (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md).
"""

from __future__ import annotations

import hashlib
from base64 import b64decode
from binascii import b2a_base64
from collections.abc import Callable, Mapping, Sequence
from hmac import compare_digest

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from hub.core.signing_secrets import BadSecret, Secret, new_keypair, new_secret, parse_secret

__all__ = [
    "BadSecret",
    "MalformedHeader",
    "MissingHeader",
    "NoMatchingSignature",
    "Secret",
    "Signer",
    "TimestampTooNew",
    "TimestampTooOld",
    "VerificationError",
    "new_keypair",
    "new_secret",
    "parse_secret",
    "verify",
]

_BLOCK = 64
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))
_MAX_SIGNATURES = 32


def _hmac_of(key: bytes) -> Callable[[bytes, bytes], bytes]:
    """HMAC-SHA256 of two pieces; both key blocks (RFC 2104) are hashed once, not for every message."""
    block = (key if len(key) <= _BLOCK else hashlib.sha256(key).digest()).ljust(_BLOCK, b"\0")
    copy_inner = hashlib.sha256(block.translate(_INNER)).copy
    copy_outer = hashlib.sha256(block.translate(_OUTER)).copy

    def digest(first: bytes, second: bytes) -> bytes:
        inner = copy_inner()
        inner.update(first)
        inner.update(second)
        outer = copy_outer()
        outer.update(inner.digest())
        return outer.digest()

    return digest


class Signer:
    """Signs with every live secret of a subscription. Make it once, when the secrets change."""

    __slots__ = ("_hmacs", "_keys", "_only")

    def __init__(self, secrets: Sequence[str]) -> None:
        parsed = [parse_secret(secret) for secret in secrets]
        if not parsed:
            raise BadSecret("at least one secret is needed to sign")
        if any(secret.kind == "public" for secret in parsed):
            raise BadSecret("a whpk_ key can only verify; give the whsk_ private key to sign")
        self._hmacs = [_hmac_of(secret.raw) for secret in parsed if secret.kind == "secret"]
        self._keys = [Ed25519PrivateKey.from_private_bytes(s.raw) for s in parsed if s.kind == "private"]
        self._only = self._hmacs[0] if len(parsed) == len(self._hmacs) == 1 else None

    def sign(self, message_id: str, timestamp: int, body: bytes) -> bytes:
        """The value of the webhook-signature header: all signatures, HMAC before ed25519."""
        prefix = f"{message_id}.{timestamp}.".encode("ascii")
        if self._only is not None:
            return b"v1," + b2a_base64(self._only(prefix, body), newline=False)
        parts = [b"v1," + b2a_base64(digest(prefix, body), newline=False) for digest in self._hmacs]
        if self._keys:
            content = prefix + body
            parts += [b"v1a," + b2a_base64(key.sign(content), newline=False) for key in self._keys]
        return b" ".join(parts)


class VerificationError(Exception):
    """The request is not to be trusted; the subclass says why."""


class MissingHeader(VerificationError):
    """One of webhook-id, webhook-timestamp and webhook-signature is missing."""


class MalformedHeader(VerificationError):
    """A header is there but can't be read."""


class TimestampTooOld(VerificationError):
    """Sent before the tolerance: perhaps a replay."""


class TimestampTooNew(VerificationError):
    """Dated in the future: a clock is wrong."""


class NoMatchingSignature(VerificationError):
    """No signature belongs to this body and one of the secrets."""


def verify(
    headers: Mapping[str, str],
    body: bytes,
    secrets: Sequence[str],
    *,
    now: float,
    tolerance_s: int = 300,
) -> None:
    """Return if one signature matches one secret, else raise a VerificationError.

    `now`: seconds since 1970. A bad secret of one's own raises BadSecret: the fault is here.
    """
    keys = [parse_secret(secret) for secret in secrets]
    found = _wanted(headers)
    message_id, stamp = found["webhook-id"], found["webhook-timestamp"]
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 15):
        raise MalformedHeader("webhook-timestamp must be whole seconds since 1970")
    if int(stamp) < now - tolerance_s:
        raise TimestampTooOld(f"webhook-timestamp is over {tolerance_s} s in the past")
    if int(stamp) > now + tolerance_s:
        raise TimestampTooNew(f"webhook-timestamp is over {tolerance_s} s in the future; check the clocks")
    try:
        prefix = f"{message_id}.{stamp}.".encode()
    except UnicodeEncodeError as error:
        raise MalformedHeader("webhook-id is not valid Unicode") from error
    offered = _signatures(found["webhook-signature"])
    matched = False
    for key in keys:
        # No early end: the time spent must not tell which secret or signature matched.
        check = _matches_hmac if key.kind == "secret" else _matches_key
        matched |= check(key, prefix, body, offered)
    if not matched:
        raise NoMatchingSignature("no signature in webhook-signature matches this body and secret")


def _wanted(headers: Mapping[str, str]) -> dict[str, str]:
    found = {"webhook-id": "", "webhook-timestamp": "", "webhook-signature": ""}
    for name, value in headers.items():
        if isinstance(name, str) and isinstance(value, str) and (lower := name.lower()) in found:
            found[lower] = value
    for name, value in found.items():
        if not value:
            raise MissingHeader(f"the header {name} is missing")
    return found


def _signatures(header: str) -> list[tuple[str, bytes]]:
    """Every readable signature; unknown versions and broken ones are passed over, as the spec asks."""
    readable = []
    for part in header.split(" ", _MAX_SIGNATURES)[:_MAX_SIGNATURES]:
        version, comma, encoded = part.partition(",")
        if comma and version in ("v1", "v1a"):
            try:
                readable.append((version, b64decode(encoded, validate=True)))
            except ValueError:
                continue
    return readable


def _matches_hmac(key: Secret, prefix: bytes, body: bytes, offered: list[tuple[str, bytes]]) -> bool:
    expected = _hmac_of(key.raw)(prefix, body)
    matched = False
    for version, signature in offered:
        matched |= compare_digest(expected, signature) and version == "v1"
    return matched


def _matches_key(key: Secret, prefix: bytes, body: bytes, offered: list[tuple[str, bytes]]) -> bool:
    if key.kind == "private":
        public = Ed25519PrivateKey.from_private_bytes(key.raw).public_key()
    else:
        try:
            public = Ed25519PublicKey.from_public_bytes(key.raw)
        except ValueError:
            return False
    matched = False
    for version, signature in offered:
        if version == "v1a":
            try:
                public.verify(signature, prefix + body)
            except InvalidSignature:
                continue
            matched = True
    return matched
