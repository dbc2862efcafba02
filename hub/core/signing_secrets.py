"""The secrets of Standard Webhooks as text: whsec_, and whsk_ / whpk_ for ed25519. No error repeats one."""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from typing import Final, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

Kind = Literal["secret", "private", "public"]

SECRET_PREFIX: Final = "whsec_"
PRIVATE_PREFIX: Final = "whsk_"
PUBLIC_PREFIX: Final = "whpk_"
_KINDS: Final[dict[str, Kind]] = {SECRET_PREFIX: "secret", PRIVATE_PREFIX: "private", PUBLIC_PREFIX: "public"}


class BadSecret(ValueError):
    """The text is no usable secret; the message says how one must look and never repeats it."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A parsed secret: the HMAC key, the ed25519 seed or the ed25519 public key."""

    kind: Kind
    raw: bytes = field(repr=False)


def new_secret(size: int = 32) -> str:
    """A fresh symmetric secret of `size` random bytes (24 to 64)."""
    if not 24 <= size <= 64:
        raise BadSecret(f"a secret has 24 to 64 bytes, not {size}")
    return SECRET_PREFIX + b64encode(os.urandom(size)).decode("ascii")


def new_keypair() -> tuple[str, str]:
    """A fresh (whsk_ private, whpk_ public) pair; only the public one is for the receiver."""
    seed = os.urandom(32)
    return PRIVATE_PREFIX + b64encode(seed).decode("ascii"), public_of(Secret("private", seed))


def public_of(secret: Secret) -> str:
    """The whpk_ text of a private key."""
    if secret.kind != "private":
        raise BadSecret("only a whsk_ key has a public half")
    public = Ed25519PrivateKey.from_private_bytes(secret.raw).public_key().public_bytes_raw()
    return PUBLIC_PREFIX + b64encode(public).decode("ascii")


def parse_secret(text: str) -> Secret:
    """Read whsec_, whsk_ or whpk_ text, or raise BadSecret."""
    if not isinstance(text, str):
        raise BadSecret("a secret is a text that begins with whsec_")
    prefix, underscore, encoded = text.partition("_")
    kind = _KINDS.get(prefix + underscore)
    if kind is None:
        raise BadSecret(
            "a secret begins with whsec_ (or whsk_ for an ed25519 private key), followed by base64"
        )
    try:
        raw = b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        raise BadSecret(f"what follows {prefix}_ is not base64; copy the whole secret") from None
    if kind == "secret" and not 24 <= len(raw) <= 64:
        raise BadSecret(f"a whsec_ secret must hold 24 to 64 bytes; this one holds {len(raw)}")
    if kind != "secret" and len(raw) != 32:
        raise BadSecret(f"a {prefix}_ key must hold 32 bytes; this one holds {len(raw)}")
    return Secret(kind, raw)
