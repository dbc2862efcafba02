"""The log against a real PostgreSQL: order for each shard, duplicates, revoked keys, and that it only ever grows."""

from __future__ import annotations

import asyncio
import random

import psycopg
import pytest

from hub.core import ids
from hub.eventlog import append as log
from hub.eventlog.append import NewEvent
from hub.eventlog.connect import open_session

GENERATION = "select coalesce((select value from tenants_generation where name = 'keys'), 0)"


def event(env: int, shard: int = 1, **more: object) -> NewEvent:
    return NewEvent(id=ids.uuid7(), env=env, shard=shard, type="a.b", data=b"1", **more)  # type: ignore[arg-type]


async def generation(session: psycopg.AsyncConnection) -> int:
    row = await (await session.execute(GENERATION)).fetchone()
    assert row is not None
    return int(row[0])


async def test_a_reader_behind_a_cursor_skips_nothing_while_many_append(
    log_database: str, own_env: int
) -> None:
    shards, rounds, writers = (5, 6, 7), 40, 6
    written: list[int] = []
    seen: list[tuple[int, int]] = []
    finished = asyncio.Event()

    async def write(number: int) -> None:
        rng = random.Random(number)
        session = await open_session(name=f"writer {number}")
        now = await generation(session)
        for _ in range(rounds):
            batch = [event(own_env, rng.choice(shards)) for _ in range(rng.randrange(1, 20))]
            await log.append(session, events=batch, generation=now)
            written.append(len(batch))
        await session.close()

    async def read() -> None:
        session = await open_session(name="reader")
        cursors = dict.fromkeys(shards, 0)
        idle = 0
        while idle < 2:
            idle = idle + 1 if finished.is_set() else 0
            for shard in shards:
                rows = await (
                    await session.execute(
                        "select seq from event where env = %s and shard = %s and seq > %s order by seq",
                        (own_env, shard, cursors[shard]),
                    )
                ).fetchall()
                seen.extend((shard, seq) for (seq,) in rows)
                if rows:
                    cursors[shard] = rows[-1][0]
        await session.close()

    reader = asyncio.create_task(read())
    await asyncio.gather(*(write(n) for n in range(writers)))
    finished.set()
    await reader
    assert len(seen) == len(set(seen)) == sum(written)


async def test_a_key_is_taken_once_even_by_two_processes_at_the_same_time(
    log_database: str, own_env: int
) -> None:
    names = [f"{n}".encode().ljust(16) for n in range(200)]
    sessions = [await open_session(name=f"web {n}") for n in range(2)]
    now = await generation(sessions[0])

    async def post(session: psycopg.AsyncConnection, order: list[bytes]) -> tuple[list[NewEvent], set[bytes]]:
        events = [event(own_env, 9, key=name, hash=b"h" * 16) for name in order]
        _, duplicates = await log.append(session, events=events, generation=now)
        return events, duplicates or set()

    results = await asyncio.gather(post(sessions[0], names), post(sessions[1], names[::-1]))
    lost = [e for events, duplicates in results for e in events if e.id in duplicates]
    assert len(lost) == len(names)
    first = await log.winners(sessions[0], events=lost)
    kept = {e.id for events, duplicates in results for e in events if e.id not in duplicates}
    assert {winner for _, winner in first.values()} == kept
    rows = await (
        await sessions[0].execute("select count(*) from event where env = %s", (own_env,))
    ).fetchone()
    assert rows == (len(names),)
    for session in sessions:
        await session.close()


async def test_another_generation_of_keys_writes_nothing(log_database: str, own_env: int) -> None:
    session = await open_session(name="web")
    now = await generation(session)
    found, duplicates = await log.append(session, events=[event(own_env)], generation=now + 1)
    assert (found, duplicates) == (now, None)
    rows = await (await session.execute("select count(*) from event where env = %s", (own_env,))).fetchone()
    assert rows == (0,)
    await session.close()


@pytest.mark.parametrize(
    "statement", ["update event set type = 'x' where env = %s", "delete from event where env = %s"]
)
async def test_the_log_refuses_to_be_changed(log_database: str, own_env: int, statement: str) -> None:
    session = await open_session(name="web")
    await log.append(session, events=[event(own_env)], generation=await generation(session))
    with pytest.raises(psycopg.errors.RestrictViolation, match="append-only"):
        await session.execute(statement, (own_env,))
    await session.close()


@pytest.mark.parametrize("table", ["event", "attempt", "routed", "breaker_fact"])
async def test_no_part_of_a_record_can_be_truncated(log_database: str, table: str) -> None:
    session = await open_session(name="web")
    rows = await (
        await session.execute(
            "select inhrelid::regclass::text from pg_inherits where inhparent = %s::regclass", (table,)
        )
    ).fetchall()
    for name in [table, *(row[0] for row in rows[:2])]:
        with pytest.raises(psycopg.errors.RestrictViolation, match="append-only"):
            await session.execute(f"truncate {name}")
    await session.close()


async def test_a_missing_day_is_made_while_a_reader_holds_the_parent(log_database: str) -> None:
    reader = await open_session(name="reader")
    await reader.set_autocommit(False)
    await reader.execute("select count(*) from event")
    maker = await open_session(name="maker", lock_timeout="2s")
    # The day after the last one there is, so that no gap is left for others to find.
    found = await (
        await maker.execute("select current_date + 15, to_char(current_date + 15, 'YYYYMMDD')")
    ).fetchone()
    assert found is not None
    made = await (await maker.execute("select hub_make_day('event', %s::date)", (found[0],))).fetchone()
    again = await (await maker.execute("select hub_make_day('event', %s::date)", (found[0],))).fetchone()
    assert (made, again) == ((True,), (False,))
    await reader.rollback()
    with pytest.raises(psycopg.errors.RestrictViolation):
        await maker.execute(f"truncate event_{found[1]}")
    await reader.close()
    await maker.close()
