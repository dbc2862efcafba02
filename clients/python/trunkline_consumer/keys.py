"""Secrets as text, read into what verifies: `whsec_` (HMAC-SHA256, v1) and `whpk_` (ed25519, v1a). Never signs.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode
from collections.abc import Sequence
from typing import Callable

from trunkline_consumer.errors import BadSecret

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
except ImportError:  # the extra `ed25519` is not installed
    Ed25519PublicKey = None  # type: ignore[assignment,misc]

__all__ = ["Key", "Signature", "key_of"]

Signature = tuple[str, bytes]
"""(version, bytes)."""
Key = Callable[[bytes, Sequence[Signature]], bool]
"""Whether one of the signatures is right for the signed content. It always looks at all of them."""


def key_of(secret: str) -> Key:
    """What verifies by this secret. Raises BadSecret."""
    if not isinstance(secret, str):
        raise BadSecret("a secret is a text that begins with whsec_ or whpk_")
    prefix, _, encoded = secret.partition("_")
    if prefix == "whsk":
        raise BadSecret("whsk_ is the private key that signs; give the whpk_ one that the subscription shows")
    if prefix not in ("whsec", "whpk"):
        raise BadSecret("a secret begins with whsec_ or whpk_, followed by base64")
    try:
        raw = b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        raise BadSecret(f"what follows {prefix}_ is not base64; copy the whole secret") from None
    if prefix == "whsec":
        if not 24 <= len(raw) <= 64:
            raise BadSecret(f"a whsec_ secret holds 24 to 64 bytes; this one holds {len(raw)}")
        return _hmac_key(raw)
    if len(raw) != 32:
        raise BadSecret(f"a whpk_ key holds 32 bytes; this one holds {len(raw)}")
    return _ed25519_key(raw)


def _hmac_key(raw: bytes) -> Key:
    def matches(content: bytes, offered: Sequence[Signature]) -> bool:
        expected = hmac.new(raw, content, hashlib.sha256).digest()
        matched = False
        for version, signature in offered:
            matched |= hmac.compare_digest(expected, signature) and version == "v1"
        return matched

    return matches


def _ed25519_key(raw: bytes) -> Key:
    if Ed25519PublicKey is None:
        raise BadSecret("a whpk_ key needs cryptography: install trunkline-consumer[ed25519]")
    try:
        public = Ed25519PublicKey.from_public_bytes(raw)
    except ValueError:
        raise BadSecret("what follows whpk_ is no ed25519 key; copy the whole key") from None

    def matches(content: bytes, offered: Sequence[Signature]) -> bool:
        matched = False
        for version, signature in offered:
            if version == "v1a":
                try:
                    public.verify(signature, content)
                except InvalidSignature:
                    continue
                matched = True
        return matched

    return matches
