"""The router against a real PostgreSQL: one parcel for each match, one step for each shard, and plans that hold at midnight."""

from __future__ import annotations

from datetime import date

import psycopg
import pytest

from hub.core import ids
from hub.eventlog import append as log
from hub.eventlog import arrays
from hub.eventlog.append import NewEvent
from hub.eventlog.connect import PLANS, open_session
from hub.routing import router as routing
from hub.routing.matching import Matcher, Sub
from hub.routing.roster import Roster
from hub.routing.router import Router


async def owner(shard: int) -> tuple[psycopg.AsyncConnection, Router, Roster]:
    session = await open_session(name="owner", **PLANS)
    roster = Roster(lambda endpoint: None)
    roster.generation = 0
    router = Router(roster)
    await router.take(session, [shard])
    return session, router, roster


async def append(
    session: psycopg.AsyncConnection, env: int, shard: int, count: int, type: str = "a.b"
) -> None:
    events = [NewEvent(id=ids.uuid7(), env=env, shard=shard, type=type, data=b"1") for _ in range(count)]
    await log.append_internal(session, events=events)


async def route(session: psycopg.AsyncConnection, router: Router, shard: int) -> int:
    _, today, events = await router.read(session, [shard])
    shares, unmatched, pairs = router.match(events)
    await router.write(session, today=today, events=events, shares=shares, unmatched=unmatched, pairs=pairs)
    return sum(map(len, events.values()))


async def test_each_match_is_written_once_and_what_nobody_wants_is_kept(
    log_database: str, own_env: int
) -> None:
    shard = 33
    session, router, roster = await owner(shard)
    await route(session, router, shard)
    roster._matchers[own_env] = Matcher(
        [Sub(own_env, shard, None, ("a.*",)), Sub(own_env + 1, shard, None, ("*",))]
    )
    await append(session, own_env, shard, 5)
    await append(session, own_env, shard, 2, "c.d")
    await append(session, own_env + 7, shard, 1)
    assert await route(session, router, shard) == 8
    assert await route(session, router, shard) == 0
    rows = await (
        await session.execute(
            "select sub, cardinality(seqs) from parcel where sub in (%s, %s) order by sub",
            (own_env, own_env + 1),
        )
    ).fetchall()
    assert rows == [(own_env, 5), (own_env + 1, 7)]
    last = await (
        await session.execute(
            "select events, pairs, cardinality(unmatched) from routed where shard = %s order by step desc limit 1",
            (shard,),
        )
    ).fetchone()
    assert last == (8, 12, 1)
    await session.close()


async def test_a_second_owner_can_not_write_the_same_step(log_database: str, own_env: int) -> None:
    shard = 34
    session, router, _ = await owner(shard)
    await append(session, own_env, shard, 3)
    other, late, roster = await owner(shard)
    roster._matchers[own_env] = Matcher([Sub(own_env, shard, None, ("*",))])
    assert await route(session, router, shard) == 3
    with pytest.raises(psycopg.errors.UniqueViolation):
        await route(other, late, shard)
    rows = await (await other.execute("select count(*) from parcel where sub = %s", (own_env,))).fetchone()
    assert rows == (0,)
    await session.close()
    await other.close()


async def test_reading_past_the_cursor_walks_indexes_on_a_day_without_statistics(
    log_database: str, own_env: int
) -> None:
    session, _, _ = await owner(35)
    await append(session, own_env, 35, 2000)
    plan = await session.execute(
        "explain " + routing.READ.replace("%(limit)b", "500"),
        {"shard": arrays.int2([35]), "cursor": arrays.int8([0]), "since": arrays.dates([date(2000, 1, 1)])},
        binary=False,
    )
    text = "\n".join(row[0] for row in await plan.fetchall())
    assert "Merge Append" in text
    assert "Index Scan" in text
    assert "Seq Scan on event" not in text
    assert "->  Sort" not in text
    await session.close()
