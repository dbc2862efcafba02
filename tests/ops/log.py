"""A log of the tests' own: writes events, routing steps and what became of them, as the hub would, in few
words.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import psycopg

from hub.core import ids

TABLES = "parcel, due, ended, idempotency, command, breaker_fact, engine_status, ingest_status"
# Emptying every day of a parent takes ten times as long.
DAYS = """
select string_agg(parent || '_' || to_char(current_date - ago, 'YYYYMMDD'), ', ')
from unnest(array['event', 'attempt', 'routed']) parent, generate_series(0, 1) ago"""


class Log:
    """Rows are of today, in environment 1."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection
        self._steps: dict[int, tuple[int, int]] = {}
        self._pos = 0

    def do(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        cursor = self.connection.execute(statement, values)
        return cursor.fetchall() if cursor.description else []

    def empty(self) -> None:
        self.do("set hub.allow_truncate = 'on'")
        self.do(f"truncate {TABLES}, {self.do(DAYS)[0][0]}")
        self._steps = {}

    def events(self, shard: int, count: int = 1) -> list[int]:
        """Appends; gives their numbers."""
        return [
            self.do(
                "insert into event (day, shard, seq, id, env, size, created_at, type, data)"
                " values (current_date, %s, nextval('event_seq'), %s, 1, 2, clock_timestamp(), 't', '{}') returning seq",
                shard, uuid.UUID(bytes=ids.uuid7()),
            )[0][0]
            for _ in range(count)
        ]  # fmt: skip

    def id_of(self, seq: int) -> uuid.UUID:
        found: uuid.UUID = self.do("select id from event where seq = %s", seq)[0][0]
        return found

    def route(
        self,
        shard: int,
        seqs: Sequence[int],
        *,
        pairs: int,
        unmatched: Sequence[int] = (),
        events: int | None = None,
    ) -> None:
        """The next step of the shard."""
        step, prev = self._steps.get(shard, (0, 0))
        upto = seqs[-1] if seqs else prev
        self._steps[shard] = (step + 1, upto)
        self.do(
            "insert into routed (day, shard, step, prev, upto, upto_day, generation, events, pairs, unmatched)"
            " values (current_date, %s, %s, %s, %s, current_date, 1, %s, %s, %s)",
            shard, step + 1, prev, upto, len(seqs) if events is None else events, pairs, list(unmatched),
        )  # fmt: skip

    def parcel(self, shard: int, sub: int, seqs: Sequence[int], *, run: int = 0) -> None:
        self.do(
            "insert into parcel (shard, sub, src, first_seq, run, day, seqs)"
            " values (%s, %s, %s, %s, %s, current_date, %s)",
            shard, sub, shard, seqs[0], run, list(seqs),
        )  # fmt: skip

    def due(
        self, shard: int, sub: int, seq: int, *, run: int = 0, held: bool = False, late_s: float = -60
    ) -> None:
        self.do(
            "insert into due (shard, sub, seq, run, src, day, due_at, attempt, held)"
            " values (%s, %s, %s, %s, %s, current_date, clock_timestamp() - %s * interval '1 second', 1, %s)",
            shard, sub, seq, run, shard, late_s, held,
        )  # fmt: skip

    def attempt(self, shard: int, sub: int, seq: int, *, finish: int = 1, n: int = 1, run: int = 0) -> None:
        self._pos += 1
        self.do(
            "insert into attempt (day, shard, pos, env, sub, seq, run, src, event_id, n, at, version, http, reason,"
            " finish) values (current_date, %s, %s, 1, %s, %s, %s, %s, %s, %s, clock_timestamp(), 1, 200, 0, %s)",
            shard, self._pos, sub, seq, run, shard, uuid.UUID(bytes=ids.uuid7()), n, finish,
        )  # fmt: skip

    def finished_and_due(self, shard: int, sub: int, seq: int, *, run: int = 9) -> None:
        self.attempt(shard, sub, seq, run=run)
        self.due(shard, sub, seq, run=run)
