"""The text of an API key and what is kept of it: the hash, and a prefix to recognise it by.

Never stores the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LENGTH: Final = 43  # the digits that 256 bits need
_SHOWN: Final = 6
_FORM: Final = re.compile(rf"tl_(live|test)_[0-9A-Za-z]{{{_LENGTH}}}")


class BadKey(ValueError):
    """This is not the text of a key of ours; it says nothing about whether a key exists."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made. `text` is shown once and not kept."""

    text: str = field(repr=False)
    prefix: str
    hash: bytes


def make(*, kind: str, random: bytes) -> NewKey:
    """A key for a "live" or "test" environment from 32 random bytes."""
    if kind not in ("live", "test") or len(random) != 32:
        raise ValueError("a key needs the kind live or test and 32 random bytes")
    number = int.from_bytes(random, "big")
    digits = []
    for _ in range(_LENGTH):
        number, digit = divmod(number, 62)
        digits.append(_DIGITS[digit])
    text = f"tl_{kind}_{''.join(digits)}"
    return NewKey(text=text, prefix=text[: len(f"tl_{kind}_") + _SHOWN], hash=digest(text))


def parse(text: str) -> str:
    """The kind, "live" or "test"; BadKey says what a key looks like."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise BadKey("an API key begins with tl_live_ or tl_test_ and has 43 letters and digits after that")
    return found[1]


def digest(text: str) -> bytes:
    """What is stored and looked up. 256 random bits need no salt and no slow hash."""
    return sha256(text.encode()).digest()
