"""Identifiers: time-ordered 16-byte uuids (RFC 9562, version 7) and their prefixed text. Never a secret.

The text is a prefix, an underscore and 26 characters of Crockford's base32 in lower case (the TypeID form).
Ids of deliveries and messages append the subscription (and the run) in the same digits and can be read back.
"""

from __future__ import annotations

import os
import threading
import time
from itertools import product
from struct import Struct

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
LARGEST = 2**63 - 1

_TWO = ["".join(pair) for pair in product(ALPHABET, repeat=2)]
_THREE = ["".join(triple) for triple in product(ALPHABET, repeat=3)]
_VALUE = {digit: value for value, digit in enumerate(ALPHABET)}
_halves = Struct(">QQ").unpack
_pack = Struct(">QQ").pack
_LENGTH = 26
_POOL = 4096
_draw = Struct(f">{_POOL // 8}Q").unpack


class BadId(ValueError):
    """The text is not an identifier of the wanted kind."""


class _Source:
    """The state behind uuid7: the last millisecond, its counter and a buffer of random bytes."""

    __slots__ = ("counter", "last", "lock", "pool")

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        self.lock = threading.Lock()
        self.pool: list[int] = []
        self.last, self.counter = -1, 0

    def next(self, ms: int, *, exact: bool) -> bytes:
        with self.lock:
            if not self.pool:
                self.pool = list(_draw(os.urandom(_POOL)))
            noise = self.pool.pop()
            if ms > self.last or (exact and ms != self.last):
                self.last = ms
                # It starts in the lower part, so that a busy millisecond seldom borrows from the next one.
                self.counter = counter = noise >> 62 << 9
            else:
                counter = self.counter + 1
                if counter > 0xFFF:
                    self.last += 1
                    counter = 0
                self.counter = counter
                ms = self.last
        return _pack(ms << 16 | 0x7000 | counter, 0x8000000000000000 | (noise & 0x3FFFFFFFFFFFFFFF))


_by_clock = _Source()
_by_caller = _Source()
# A forked child must not repeat its parent's random bytes, nor inherit a lock somebody held.
os.register_at_fork(after_in_child=_by_clock.renew)
os.register_at_fork(after_in_child=_by_caller.renew)


def uuid7(ms: int | None = None) -> bytes:
    """16 bytes, ascending within the process even when the clock goes back.

    With `ms` (milliseconds since 1970) the id is of that millisecond, ascending among those of the same one.
    """
    if ms is None:
        return _by_clock.next(time.time_ns() // 1_000_000, exact=False)
    return _by_caller.next(ms, exact=True)


def uuid7_ms(raw: bytes) -> int:
    """The millisecond in which the id was made."""
    return int.from_bytes(raw[:6], "big")


def uuid7_floor(ms: int) -> bytes:
    """The lowest id of that millisecond: a bound for ranges, not an id to give away."""
    return _pack(ms << 16 | 0x7000, 0x8000000000000000)


def _base32(raw: bytes) -> str:
    high, low = _halves(raw)
    return (
        f"{_TWO[high >> 56]}{_THREE[high >> 41 & 32767]}{_THREE[high >> 26 & 32767]}"
        f"{_THREE[high >> 11 & 32767]}"
        f"{_THREE[(high & 2047) << 4 | low >> 60]}{_THREE[low >> 45 & 32767]}{_THREE[low >> 30 & 32767]}"
        f"{_THREE[low >> 15 & 32767]}{_THREE[low & 32767]}"
    )


def _number(value: int) -> str:
    if 0 < value < 32768:
        return _THREE[value].lstrip("0")
    if not 0 <= value <= LARGEST:
        raise BadId(f"{value} is not a subscription or run number: use 0 to {LARGEST}")
    digits = []
    while value:
        digits.append(_THREE[value & 32767])
        value >>= 15
    return "".join(reversed(digits)).lstrip("0") or "0"


def encode(prefix: str, raw: bytes) -> str:
    """`encode("evt", raw)` gives "evt_" and 26 characters."""
    if len(raw) != 16:
        raise BadId(f"an id has 16 bytes, not {len(raw)}")
    return f"{prefix}_{_base32(raw)}"


def decode(prefix: str, text: str) -> bytes:
    """The 16 bytes of an id with this prefix; BadId says what is wrong with it."""
    return _read(text, _digits(prefix, text, exact=True))


def new_id(prefix: str) -> str:
    """A fresh id as text."""
    return f"{prefix}_{_base32(uuid7())}"


def message_id_prefix(event: bytes) -> str:
    """The part of a message id that all subscriptions of an event share; add `subscription_suffix`."""
    return f"msg_{_base32(event)}"


def subscription_suffix(subscription: int) -> str:
    """The end of a message id: constant for a subscription, so keep it prepared."""
    return _number(subscription)


def message_id(event: bytes, subscription: int) -> str:
    """The webhook-id: the same for every try and every run, so that receivers can drop repeats."""
    return f"msg_{_base32(event)}{_number(subscription)}"


def parse_message_id(text: str) -> tuple[bytes, int]:
    """(event, subscription) of a message id."""
    digits = _digits("msg", text, exact=False)
    return _read(text, digits[:_LENGTH]), _parse_number(text, digits[_LENGTH:])


def delivery_id(event: bytes, subscription: int, run: int) -> str:
    """One delivery as text; run 0, the usual one, is left out."""
    text = f"dlv_{_base32(event)}{_number(subscription)}"
    return f"{text}_{_number(run)}" if run else text


def parse_delivery_id(text: str) -> tuple[bytes, int, int]:
    """(event, subscription, run) of a delivery id; every id has exactly one spelling."""
    digits, underscore, run_digits = _digits("dlv", text, exact=False).partition("_")
    event, subscription = _read(text, digits[:_LENGTH]), _parse_number(text, digits[_LENGTH:])
    run = _parse_number(text, run_digits) if underscore else 0
    if underscore and not run:
        raise BadId(f"{_shown(text)} names run 0, which is written by leaving it out")
    return event, subscription, run


def _shown(text: object) -> str:
    return repr(text if not isinstance(text, str) or len(text) <= 60 else text[:57] + "...")


def _digits(prefix: str, text: str, *, exact: bool) -> str:
    if not isinstance(text, str) or not text.startswith(prefix + "_"):
        raise BadId(f"{_shown(text)} is not a {prefix}_ id: it must begin with {prefix}_")
    digits = text[len(prefix) + 1 :]
    if len(digits) != _LENGTH if exact else not _LENGTH < len(digits) <= 60:
        wanted = f"{_LENGTH} characters" if exact else f"more than {_LENGTH} characters"
        raise BadId(
            f"{_shown(text)} has {len(digits)} characters after {prefix}_, but needs {wanted}: copy it whole"
        )
    return digits


def _read(text: str, digits: str) -> bytes:
    if len(digits) != _LENGTH or digits[0] > "7":
        raise BadId(f"{_shown(text)} is no id: it holds more or less than 128 bits; copy it whole")
    return _value(text, digits).to_bytes(16, "big")


def _parse_number(text: str, digits: str) -> int:
    if not digits or (digits[0] == "0" and digits != "0") or len(digits) > 13:
        raise BadId(f"{_shown(text)} is no id: the number after the event is missing or malformed")
    if (value := _value(text, digits)) > LARGEST:
        raise BadId(f"{_shown(text)} is no id: the number after the event is too large")
    return value


def _value(text: str, digits: str) -> int:
    number = 0
    for digit in digits:
        value = _VALUE.get(digit)
        if value is None:
            raise BadId(f"{_shown(text)} has {digit!r} in it; ids use only the characters {ALPHABET}")
        number = number << 5 | value
    return number
