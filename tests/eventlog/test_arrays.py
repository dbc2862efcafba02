"""Arrays in the binary format, read back by PostgreSQL itself."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime
from typing import Any

import pytest

from hub.eventlog import arrays
from hub.eventlog.connect import open_session

ID = uuid.UUID("01890a5d-ac96-774b-bcce-b302099a8057")


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (arrays.int2([1, None, -3]), [1, None, -3]),
        (arrays.int4([2**31 - 1, -(2**31)]), [2**31 - 1, -(2**31)]),
        (arrays.int8([2**63 - 1, None]), [2**63 - 1, None]),
        (arrays.floats([1.5, None]), [1.5, None]),
        (arrays.bools([True, False]), [True, False]),
        (arrays.text(["a", None, "ü,{}\"'", ""]), ["a", None, "ü,{}\"'", ""]),
        (arrays.bytea([b"\x00\xff", None]), [b"\x00\xff", None]),
        (arrays.uuid([ID.bytes]), [ID]),
        (arrays.dates([date(1999, 12, 31), date(2026, 1, 2)]), [date(1999, 12, 31), date(2026, 1, 2)]),
        (arrays.stamps([0.0, 1767323045.000678, None]),
         [datetime(1970, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC), None]),
        (arrays.text([]), []),
        (arrays.int8([]), []),
    ],
)  # fmt: skip
async def test_postgresql_reads_what_was_built(log_database: str, made: Any, expected: list[Any]) -> None:
    async with await open_session(name="arrays") as session:
        row = await (await session.execute("select %b", (made,), binary=True)).fetchone()
        assert row == (expected,)
