"""Secrets at rest: AES-256-GCM under rotatable keys, bound to their place. Never shows a secret or a key."""

from __future__ import annotations

import os
import re
from base64 import b64decode, b64encode, urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_VERSION = "s1"
_NONCE = 12
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")


class SealError(Exception):
    """A token could not be opened."""


class MalformedToken(SealError):
    """The token is not one of ours, or was cut."""


class UnknownKey(SealError):
    """The token was sealed with a key that is not in the keyring."""


class ForeignToken(SealError):
    """The token was changed, or sealed for another context, or the key of that id is another one."""


class BadKeyring(ValueError):
    """The text of the keyring is wrong; the message says which entry and how to mend it."""


@dataclass(frozen=True, slots=True)
class Keyring:
    """The first key seals, all of them open."""

    current: str
    keys: dict[str, AESGCM] = field(repr=False)

    @classmethod
    def from_text(cls, text: str) -> Keyring:
        """Read "id1:base64key,id2:base64key"; keys have 32 bytes."""
        keys: dict[str, AESGCM] = {}
        for place, entry in enumerate(filter(None, (part.strip() for part in text.split(","))), start=1):
            key_id, colon, encoded = entry.partition(":")
            if not colon or not _KEY_ID.fullmatch(key_id):
                raise BadKeyring(
                    f"key {place} must read id:base64key, where id has 1 to 32 letters, digits, - or _"
                )
            if key_id in keys:
                raise BadKeyring(f"key id {key_id!r} occurs twice; give the newer key another id")
            try:
                raw = b64decode(encoded, validate=True)
            except ValueError as error:
                raise BadKeyring(f"key {key_id!r} is not base64; make one with generate_key()") from error
            if len(raw) != 32:
                raise BadKeyring(
                    f"key {key_id!r} has {len(raw)} bytes, but needs 32; make one with generate_key()"
                )
            keys[key_id] = AESGCM(raw)
        if not keys:
            raise BadKeyring("the keyring is empty; give at least one key as id:base64key")
        return cls(current=next(iter(keys)), keys=keys)

    def seal(self, plain: bytes, *, context: bytes) -> str:
        """A token that opens only with the same context, e.g. b"subscription:17:secret"."""
        nonce = os.urandom(_NONCE)
        sealed = self.keys[self.current].encrypt(nonce, plain, _bound(self.current, context))
        return f"{_VERSION}.{self.current}.{urlsafe_b64encode(nonce + sealed).decode('ascii').rstrip('=')}"

    def open(self, token: str, *, context: bytes) -> bytes:
        """The plain bytes; raises MalformedToken, UnknownKey or ForeignToken."""
        key_id, encoded = _split(token)
        cipher = self.keys.get(key_id)
        if cipher is None:
            raise UnknownKey(
                f"this was sealed with key {key_id!r}, which is not in the keyring: add that key again"
            )
        try:
            raw = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
            if len(raw) < _NONCE + 16:
                raise MalformedToken("the sealed token is too short: it was cut; store the secret again")
            return cipher.decrypt(raw[:_NONCE], raw[_NONCE:], _bound(key_id, context))
        except InvalidTag as error:
            raise ForeignToken(
                f"the sealed token does not open with key {key_id!r} here: it was changed, belongs to another"
                " record, or the key of that id was replaced; store the secret again"
            ) from error
        except ValueError as error:
            raise MalformedToken(
                "the sealed token is not base64: it was damaged; store the secret again"
            ) from error

    def needs_rotation(self, token: str) -> bool:
        """True if the token was sealed with another than the first key: `reseal` it."""
        return key_of(token) != self.current

    def reseal(self, token: str, *, context: bytes) -> str:
        """The same secret in the same place under the first key; raises what `open` does."""
        return self.seal(self.open(token, context=context), context=context)


def key_of(token: str) -> str:
    """The id of the key that sealed the token, known or not; raises MalformedToken."""
    return _split(token)[0]


def generate_key() -> str:
    """A new key as base64, to be put behind "id:" in the keyring."""
    return b64encode(os.urandom(32)).decode("ascii")


def _bound(key_id: str, context: bytes) -> bytes:
    return f"{_VERSION}.{key_id}.".encode() + context


def _split(token: str) -> tuple[str, str]:
    parts = token.split(".") if isinstance(token, str) and token.isascii() else []
    if len(parts) != 3 or parts[0] != _VERSION or not _KEY_ID.fullmatch(parts[1]):
        raise MalformedToken("this is not a sealed token; store the secret again")
    return parts[1], parts[2]
