"""Requests of the bench, built once; for each one sent, only the time (and a number) is patched in. It opens no socket."""

from __future__ import annotations

import random
import string
from dataclasses import dataclass

# Nanoseconds since 1970 have 19 digits until the year 2286, so that a request's length never changes.
STAMP = b"0" * 19
NUMBER_DIGITS = 12
_LETTERS = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class Shape:
    """What the requests of one run look like. `body`: bytes of one event with everything in it."""

    type: str
    body: int = 1024
    batch: int = 1
    idempotency: str = ""


@dataclass(frozen=True, slots=True)
class Template:
    """A request in pieces: the time goes between all of `parts`, a number into `numbered` (idempotency keys only)."""

    parts: tuple[bytes, ...]
    numbered: bytes = b""

    def fill(self, stamp_ns: int, number: int) -> bytes:
        """The bytes to send."""
        parts = self.parts
        if self.numbered:
            parts = (self.numbered % number, *parts[1:])
        return (b"%d" % stamp_ns).join(parts)


def template(*, shape: Shape, host: str, key: str, name: int, random: random.Random) -> Template:
    """The request of one connection. `name` tells its idempotency keys from other connections'."""
    if shape.batch > 1 and shape.idempotency:
        raise ValueError("Idempotency keys are for single events here; leave out --batch or --idempotency.")
    pieces: list[bytes] = []
    begin = b""
    for index in range(shape.batch):
        head, tail = _event(shape, name, random)
        opening = (b'{"events":[' if index == 0 else b",") if shape.batch > 1 else b""
        pieces.append(begin + opening + head)
        begin = tail
    pieces.append(begin + (b"]}" if shape.batch > 1 else b""))
    number = b"%%0%dd" % NUMBER_DIGITS
    length = sum(map(len, pieces)) + shape.batch * len(STAMP)
    if shape.idempotency:
        length += NUMBER_DIGITS - len(number)
    path = "/api/v1/events/batch" if shape.batch > 1 else "/api/v1/events"
    pieces[0] = (
        f"POST {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    ).encode() + pieces[0]
    return Template(tuple(pieces), pieces[0] if shape.idempotency else b"")


def _event(shape: Shape, name: int, random: random.Random) -> tuple[bytes, bytes]:
    """One event before and after its time, padded to the size with what doesn't compress."""
    members = f'"type":"{shape.type}"'
    digits = 0
    if shape.idempotency:
        members += f',"idempotency_key":"{shape.idempotency}-{name}-%0{NUMBER_DIGITS}d"'
        digits = NUMBER_DIGITS - len(f"%0{NUMBER_DIGITS}d")
    head, middle, tail = f'{{{members},"data":{{"t":', ',"pad":"', '"}}'
    room = shape.body - len(head) - digits - len(STAMP) - len(middle) - len(tail)
    pad = "".join(random.choices(_LETTERS, k=max(room, 1)))
    return head.encode(), f"{middle}{pad}{tail}".encode()


def percentile(values: list[int], share: float) -> float:
    """Of sorted nanoseconds, in ms; 0 for none."""
    return round(values[min(len(values) - 1, int(len(values) * share))] / 1e6, 3) if values else 0.0
