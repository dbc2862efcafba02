"""Facts in the tables as the engine writes them, and an owner of some shards, for those who fold them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg

from hub.core import ids
from hub.eventlog.connect import PLANS, open_session
from hub.insights.folds import DELIVERIES, EVENTS

EVENT = """insert into event (day, shard, seq, id, env, size, created_at, type, data)
values (%s, %s, nextval('event_seq'), %s, %s, %s, %s, %s, '1') returning seq"""
ATTEMPT = """insert into attempt (day, shard, pos, env, sub, seq, run, src, event_id, n, at, version, http, reason, finish, total_us, size, digest)
values (%s, %s, %s, %s, %s, %s, 0, %s, %s, %s, %s, 1, %s, %s, %s, %s, 7, %s)"""
ROUTED = """insert into routed (day, shard, step, prev, upto, upto_day, generation, events, pairs, unmatched)
values (current_date, %s, %s, %s, %s, %s, 0, %s, 0, %s)"""


@dataclass
class Held:
    """Shards that are owned, and how far their facts go."""

    owned: set[int]
    attempts: dict[int, int] = field(default_factory=dict)
    routed: dict[int, int] = field(default_factory=dict)

    def attempts_upto(self) -> Mapping[int, int]:
        return self.attempts

    def routed_upto(self) -> Mapping[int, int]:
        return self.routed


async def folding() -> psycopg.AsyncConnection[Any]:
    return await open_session(name="test folding", **PLANS)


async def last(session: psycopg.AsyncConnection[Any], sql: str, shard: int) -> int:
    row = await (await session.execute(sql, (shard,))).fetchone()
    assert row is not None
    return int(row[0])


async def attempts(
    session: psycopg.AsyncConnection[Any],
    *,
    env: int,
    shard: int,
    count: int,
    dice: random.Random,
    subs: int = 3,
) -> int:
    """Attempts at random, and the event of each; the last one's position."""
    pos = await last(session, "select coalesce(max(pos), 0) from attempt where shard = %s", shard)
    now = datetime.now(UTC)
    for _ in range(count):
        pos += 1
        created = now - timedelta(seconds=dice.uniform(0, 3000))
        raw, day = UUID(bytes=ids.uuid7()), now.date()
        cursor = await session.execute(
            EVENT, (day, shard, raw, env, dice.randrange(1, 2000), created, dice.choice(["a.b", "c"]))
        )
        row = await cursor.fetchone()
        assert row is not None
        reason = dice.choice([0, 0, 0, 9, 20, 26])
        at = created + timedelta(seconds=dice.expovariate(10))
        finish = 1 if reason == 0 else 3 if reason == 26 else dice.choice([0, 2])
        await session.execute(
            ATTEMPT,
            (day, shard, pos, env, env % 1_000_000 + dice.randrange(subs), row[0], shard, raw, dice.randrange(1, 4), at, 0, reason,
             finish, dice.randrange(100, 5_000_000), None if reason == 26 else b"12345678"),
        )  # fmt: skip
    return pos


async def routings(
    session: psycopg.AsyncConnection[Any], *, env: int, shard: int, counts: Sequence[int], dice: random.Random
) -> int:
    """Routing steps with as many events each, some of them unmatched; the last step."""
    step = await last(session, "select coalesce(max(step), 0) from routed where shard = %s", shard)
    upto = await last(session, "select coalesce(max(upto), 0) from routed where shard = %s", shard)
    day = datetime.now(UTC).date()
    for count in counts:
        seqs = []
        for _ in range(count):
            cursor = await session.execute(
                EVENT,
                (day, shard, UUID(bytes=ids.uuid7()), env, dice.randrange(1, 2000), datetime.now(UTC), dice.choice(["a.b", "c"])),
            )  # fmt: skip
            row = await cursor.fetchone()
            assert row is not None
            seqs.append(row[0])
        step, prev, upto = step + 1, upto, seqs[-1] if seqs else upto
        unmatched = [seq for seq in seqs if dice.random() < 0.3]
        await session.execute(ROUTED, (shard, step, prev, upto, day, count, unmatched))
    return step


async def cells(session: psycopg.AsyncConnection[Any], env: int) -> dict[str, list[tuple[Any, ...]]]:
    """Every cell of the environment, by table."""
    found = {}
    for shape in (DELIVERIES, EVENTS):
        columns = ", ".join(("kind", "ref", "grain", "at", "shard", *shape.columns))
        cursor = await session.execute(
            f"select {columns} from {shape.table} where env = %s order by kind, ref, grain, at, shard", (env,)
        )
        found[shape.table] = await cursor.fetchall()
    return found
