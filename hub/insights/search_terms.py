"""The terms of a search as values, and each as the one text it is written in.

They say what is asked for, never how to find it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from hub.delivery.outcome import Reason
from hub.delivery.states import State
from hub.insights.search_words import quoted

COLUMNS: Final = ("status", "type", "sub", "consumer", "code", "attempt", "latency", "subject")
TIMES: Final = ("since", "before")
PATHS: Final = ("body", "header")
ID: Final = "id"
TEXT: Final = "text"

DURATIONS: Final = {"m": 60_000_000, "s": 1_000_000, "ms": 1_000, "us": 1}
"""Microseconds of each unit, the largest first."""
ID_SHAPE: Final = re.compile(r"(?:evt|dlv|sub|con|msg)_[0-7][0-9a-z_]{15,}")
"""What is meant as an id, if perhaps not copied whole."""

# What is read back as it is; all else goes between quotes.
_BARE = re.compile(r'[^\s",|\\<>][^\s",|\\]*(?<!\*)')
_PLAIN_SEGMENT = re.compile(r'[^\s":.]+')


class Op(StrEnum):
    eq = "eq"
    gt = "gt"
    ge = "ge"
    lt = "lt"
    le = "le"
    between = "between"
    glob = "glob"
    prefix = "prefix"
    exists = "exists"
    among = "in"
    """Of a term: several values, each `eq`."""
    mixed = "mixed"
    """Of a term: several values whose operators differ, or are not `eq`."""


SIGNS: Final = {">": Op.gt, ">=": Op.ge, "<": Op.lt, "<=": Op.le}
_WRITTEN: Final = {op: sign for sign, op in SIGNS.items()}


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment in UTC. `ago` is how it was asked for if relative, such as "24h": a saved view keeps that."""

    at: datetime
    ago: str = ""

    def __str__(self) -> str:
        return self.ago or self.at.astimezone(UTC).isoformat().replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Value:
    """One thing asked for.

    `value`: a State (status), an HTTP status or a Reason (code), a number (attempt), microseconds (latency), a
    Moment (since, before), a pattern (type), else a text. Of `between` it is the least and `upto` the greatest,
    both included; of `gt` and its like on a body it is the text of a JSON number; of `exists` it is "".
    """

    op: Op
    value: State | Reason | Moment | int | str
    upto: int = 0


@dataclass(frozen=True, slots=True)
class Term:
    """What one word of a search asks for: any of `values`, or with `negated` none of them.

    `key` is one of COLUMNS, TIMES, PATHS, ID, TEXT. `path`: the segments of a body's path, or a header's name.
    """

    key: str
    values: tuple[Value, ...]
    negated: bool = False
    path: tuple[str, ...] = ()

    @property
    def op(self) -> Op:
        """The operator of its value; of several values `among` if each is `eq`, else `mixed`."""
        if len(self.values) == 1:
            return self.values[0].op
        return Op.among if all(value.op is Op.eq for value in self.values) else Op.mixed

    def __str__(self) -> str:
        """Its canonical text."""
        return ("-" if self.negated else "") + self._text()

    def _text(self) -> str:
        written = ",".join(_value(value, key=self.key) for value in self.values)
        if self.key == TEXT:
            misread = ":" in written or written[0] == "-" or ID_SHAPE.fullmatch(written)
            return quoted(written) if misread and written[0] != '"' else written
        if self.key == ID:
            return written if len(self.values) == 1 else f"{ID}:{written}"
        return ".".join((self.key, *(_segment(name, key=self.key) for name in self.path))) + f":{written}"


def _segment(name: str, *, key: str) -> str:
    # A header's name is always the last segment, so a dot in it divides nothing.
    return name if key == "header" or _PLAIN_SEGMENT.fullmatch(name) else quoted(name)


def _value(value: Value, *, key: str) -> str:
    op, asked = value.op, value.value
    if isinstance(asked, Reason):
        return asked.code
    if isinstance(asked, Moment):
        return str(asked)
    if op is Op.exists:
        return "*"
    if op is Op.between and isinstance(asked, int):
        return _range(asked, value.upto, key)
    if isinstance(asked, int):
        return _WRITTEN.get(op, "") + _number(asked, key)
    if op in _WRITTEN or op is Op.glob:
        return _WRITTEN.get(op, "") + asked
    return (asked if _BARE.fullmatch(asked) else quoted(asked)) + "*" * (op is Op.prefix)


def _range(least: int, most: int, key: str) -> str:
    if key == "code" and least % 100 == 0 and most == least + 99:
        return f"{least // 100}xx"
    return f"{_number(least, key)}..{_number(most, key)}"


def _number(number: int, key: str) -> str:
    if key != "latency":
        return str(number)
    unit = next(unit for unit, us in DURATIONS.items() if number % us == 0)
    return f"{number // DURATIONS[unit]}{unit}"
