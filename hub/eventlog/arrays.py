"""PostgreSQL arrays in the binary format, built whole; psycopg's own element-wise dumping costs several times as much.

Source of the format: array_recv in PostgreSQL's src/backend/utils/adt/arrayfuncs.c. It never reads an array.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from struct import Struct
from typing import TypeVar

from psycopg.adapt import AdaptersMap, Dumper
from psycopg.pq import Format

_header = Struct(">iiIii").pack
_empty = Struct(">iiI").pack
_length = Struct(">i").pack
_int2 = Struct(">ih").pack
_int4 = Struct(">ii").pack
_int8 = Struct(">iq").pack
_double = Struct(">id").pack
_NULL = b"\xff\xff\xff\xff"
_UUID_LENGTH = _length(16)
_EPOCH_DAY = date(2000, 1, 1).toordinal()
_UNIX_EPOCH_US = 946_684_800_000_000
_TRUE, _FALSE = b"\0\0\0\1\1", b"\0\0\0\1\0"


class _Array(bytes):
    """Ready bytes of one array parameter."""

    element = 0
    oid = 0


class Int2(_Array):
    element, oid = 21, 1005


class Int4(_Array):
    element, oid = 23, 1007


class Int8(_Array):
    element, oid = 20, 1016


class Float8(_Array):
    element, oid = 701, 1022


class Bool(_Array):
    element, oid = 16, 1000


class Text(_Array):
    element, oid = 25, 1009


class Bytea(_Array):
    element, oid = 17, 1001


class Uuid(_Array):
    element, oid = 2950, 2951


class Stamp(_Array):
    element, oid = 1184, 1185


class Date(_Array):
    element, oid = 1082, 1182


_T = TypeVar("_T", bound=_Array)
_KINDS = (Int2, Int4, Int8, Float8, Bool, Text, Bytea, Uuid, Stamp, Date)


def _whole(kind: type[_T], parts: Sequence[bytes]) -> _T:
    if not parts:
        return kind(_empty(0, 0, kind.element))
    return kind(_header(1, 1, kind.element, len(parts), 1) + b"".join(parts))


def int2(values: Iterable[int | None]) -> Int2:
    return _whole(Int2, [_NULL if v is None else _int2(2, v) for v in values])


def int4(values: Iterable[int | None]) -> Int4:
    return _whole(Int4, [_NULL if v is None else _int4(4, v) for v in values])


def int8(values: Iterable[int | None]) -> Int8:
    return _whole(Int8, [_NULL if v is None else _int8(8, v) for v in values])


def floats(values: Iterable[float | None]) -> Float8:
    return _whole(Float8, [_NULL if v is None else _double(8, v) for v in values])


def bools(values: Iterable[bool]) -> Bool:
    return _whole(Bool, [_TRUE if v else _FALSE for v in values])


def text(values: Iterable[str | None]) -> Text:
    parts = []
    for value in values:
        if value is None:
            parts.append(_NULL)
        else:
            raw = value.encode()
            parts.append(_length(len(raw)) + raw)
    return _whole(Text, parts)


def bytea(values: Iterable[bytes | None]) -> Bytea:
    return _whole(Bytea, [_NULL if v is None else _length(len(v)) + v for v in values])


def uuid(values: Iterable[bytes]) -> Uuid:
    """From ids of 16 bytes."""
    return _whole(Uuid, [_UUID_LENGTH + v for v in values])


def stamps(values: Iterable[float | None]) -> Stamp:
    """timestamptz from seconds since 1970 (float; microseconds kept)."""
    return _whole(
        Stamp, [_NULL if v is None else _int8(8, round(v * 1_000_000) - _UNIX_EPOCH_US) for v in values]
    )


def dates(values: Iterable[date]) -> Date:
    return _whole(Date, [_int4(4, v.toordinal() - _EPOCH_DAY) for v in values])


def _dumper(kind: type[_Array]) -> type[Dumper]:
    class ReadyDumper(Dumper):
        format = Format.BINARY
        oid = kind.oid

        def dump(self, obj: bytes) -> bytes:
            return obj

    return ReadyDumper


def register(adapters: AdaptersMap) -> None:
    """Teach a connection (or psycopg.adapters) these parameters; they go with `%b`."""
    for kind in _KINDS:
        adapters.register_dumper(kind, _dumper(kind))
