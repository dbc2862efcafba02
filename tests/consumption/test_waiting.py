"""Readers that wait, against a real PostgreSQL: woken by what they asked for, soon, and leaving nothing behind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import psycopg
import pytest
from django.db import connection

from hub.consumption import selectors, services, waiting
from hub.consumption.waiting import Interest, TooMany, Waiting
from hub.eventlog.connect import open_session
from tests.consumption.stage import Stage, read

SESSIONS = """select count(*) from pg_stat_activity where datname = current_database()
 and application_name in ('trunkline pages listen', 'trunkline pages look')"""
SOON = 0.5


@pytest.fixture
async def session(stage: Stage) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    async with await open_session(name="test") as opened:
        yield opened


@pytest.fixture
async def readers(stage: Stage) -> AsyncIterator[Waiting]:
    made = Waiting()
    yield made
    made.close()
    if made._work is not None:
        await asyncio.gather(made._work, return_exceptions=True)


@pytest.fixture
def interest(stage: Stage) -> Interest:
    # A first read, which makes its marks.
    read(stage.scope)
    return Interest(stage.position.id, selectors.filter_of(stage.position))


async def aside(work: Callable[[], Any]) -> Any:
    """In a thread with a database session of its own."""

    def run() -> Any:
        try:
            return work()
        finally:
            connection.close()

    return await asyncio.to_thread(run)


async def listening(session: psycopg.AsyncConnection[Any], readers: Waiting) -> None:
    until = time.monotonic() + 5
    while not readers._watched or (await (await session.execute(SESSIONS)).fetchone()) != (2,):
        assert time.monotonic() < until
        await asyncio.sleep(0.01)


async def notify(session: psycopg.AsyncConnection[Any], shards: str) -> None:
    await session.execute("select pg_notify('hub_events', %s)", (shards,))


def waits(readers: Waiting, interest: Interest, seconds: float = 10) -> asyncio.Task[bool]:
    return asyncio.create_task(readers.wait(interest, seconds=seconds))


async def test_an_event_wakes_a_reader_at_once(
    stage: Stage, session: psycopg.AsyncConnection[Any], readers: Waiting, interest: Interest
) -> None:
    waiting_ = waits(readers, interest)
    await listening(session, readers)
    await aside(stage.event)
    begun = time.monotonic()
    await notify(session, "50")
    assert await waiting_ is True
    assert time.monotonic() - begun < SOON
    assert len(readers.watch) == 0


async def test_a_lost_notification_costs_a_second(
    stage: Stage, session: psycopg.AsyncConnection[Any], readers: Waiting, interest: Interest
) -> None:
    waiting_ = waits(readers, interest)
    await listening(session, readers)
    await aside(stage.event)
    begun = time.monotonic()
    assert await waiting_ is True
    assert time.monotonic() - begun < 1.0 + SOON


async def test_what_came_between_the_look_and_the_wait_is_found(
    stage: Stage, readers: Waiting, interest: Interest
) -> None:
    await aside(stage.event)
    begun = time.monotonic()
    assert await readers.wait(interest, seconds=10) is True
    assert time.monotonic() - begun < SOON


async def test_what_nobody_asked_for_wakes_nobody(
    stage: Stage, session: psycopg.AsyncConnection[Any], readers: Waiting, interest: Interest
) -> None:
    waiting_ = waits(readers, interest, 1.5)
    await listening(session, readers)
    await aside(lambda: [stage.event(number, "user.made") for number in range(5)])
    await notify(session, "50,51,52,7")
    assert await waiting_ is False


async def test_one_event_wakes_one_of_many_readers_of_a_name(
    stage: Stage, session: psycopg.AsyncConnection[Any], readers: Waiting, interest: Interest
) -> None:
    tasks = [waits(readers, interest) for _ in range(200)]
    await listening(session, readers)
    assert (await (await session.execute(SESSIONS)).fetchone()) == (2,)
    await aside(stage.event)
    await notify(session, "50")
    done, _ = await asyncio.wait(tasks, timeout=SOON)
    # The next is tried a second later, in case the first went away without looking.
    assert len(done) == 1
    readers.close()
    assert sorted(await asyncio.gather(*tasks)) == [False] * 199 + [True]


async def test_what_is_given_back_wakes_a_reader(
    stage: Stage, session: psycopg.AsyncConnection[Any], readers: Waiting, interest: Interest
) -> None:
    await aside(stage.event)
    lease = (await aside(lambda: read(stage.scope))).lease
    waiting_ = waits(readers, interest)
    await listening(session, readers)
    assert not waiting_.done()
    begun = time.monotonic()
    await aside(lambda: services.release(scope=stage.scope, ref="ledger", lease=lease))
    assert await waiting_ is True
    assert time.monotonic() - begun < SOON


async def test_what_came_behind_a_lease_wakes_a_reader_when_that_is_acknowledged(
    stage: Stage, session: psycopg.AsyncConnection[Any], readers: Waiting, interest: Interest
) -> None:
    await aside(stage.event)
    lease = (await aside(lambda: read(stage.scope))).lease
    waiting_ = waits(readers, interest)
    await listening(session, readers)
    await aside(stage.event)
    await notify(session, "50")
    done, _ = await asyncio.wait([waiting_], timeout=0.1)
    assert not done
    await aside(lambda: services.ack(scope=stage.scope, ref="ledger", lease=lease))
    assert await waiting_ is True


async def test_who_goes_away_frees_everything(
    stage: Stage, session: psycopg.AsyncConnection[Any], readers: Waiting, interest: Interest
) -> None:
    tasks = [waits(readers, interest) for _ in range(20)]
    await listening(session, readers)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (len(readers.watch), readers.watch.groups) == (0, {})


async def test_sessions_go_when_nobody_has_waited_for_a_while(
    stage: Stage,
    session: psycopg.AsyncConnection[Any],
    readers: Waiting,
    interest: Interest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waiting, "LINGER_S", 0.1)
    waiting_ = waits(readers, interest)
    await listening(session, readers)
    waiting_.cancel()
    until = time.monotonic() + 5
    while (await (await session.execute(SESSIONS)).fetchone()) != (0,):
        assert time.monotonic() < until
        await asyncio.sleep(0.02)
    again = waits(readers, interest)
    await listening(session, readers)
    again.cancel()


async def test_a_lost_session_is_opened_anew(
    stage: Stage, session: psycopg.AsyncConnection[Any], readers: Waiting, interest: Interest
) -> None:
    waiting_ = waits(readers, interest)
    await listening(session, readers)
    for name in ("listen", "look"):
        await session.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = %s"
            " and datname = current_database()",
            (f"trunkline pages {name}",),
        )
    await aside(stage.event)
    begun = time.monotonic()
    assert await waiting_ is True
    assert time.monotonic() - begun < 3


async def test_how_many_may_wait_is_bounded(
    stage: Stage, readers: Waiting, interest: Interest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "MOST_OF_ONE", 2)
    tasks = [waits(readers, interest) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(TooMany) as refused:
        await readers.wait(interest, seconds=1)
    assert refused.value.own
    monkeypatch.setattr(waiting, "MOST", 2)
    with pytest.raises(TooMany) as refused:
        await readers.wait(interest, seconds=1)
    assert not refused.value.own
    readers.close()
    assert await asyncio.gather(*tasks) == [False, False]
    assert await readers.wait(interest, seconds=5) is False


async def test_no_time_is_no_wait(readers: Waiting, interest: Interest) -> None:
    assert await readers.wait(interest, seconds=0) is False
    assert readers._work is None
