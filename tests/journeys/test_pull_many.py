"""Many readers that wait: they hinder nobody, hold nothing when they go, and are answered when the process ends."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import Hub
from tests.embedded import ROOT, free_port
from tests.journeys.room import Room
from tests.journeys.test_processes import environment

MANY = 200
# So many at once; that they are made one by one through the API is told elsewhere.
POSITIONS = """
insert into consumption_position (uid, environment_id, name, types, channels, origin_seq, origin_day)
select 'pos_' || gen_random_uuid()::text, %s, name, %s, '{}', case when l.is_called then l.last_value else 0 end, current_date
from unnest(%s::text[]) name, event_seq l returning id"""
Reader = Callable[[httpx.AsyncClient, str], Coroutine[Any, Any, httpx.Response]]
LIMITS = httpx.Limits(max_connections=300, max_keepalive_connections=300)


def client(url: str, room: Room) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=f"{url}/api/v1", headers={"Authorization": f"Bearer {room.key}"}, timeout=90, limits=LIMITS
    )


async def read(api: httpx.AsyncClient, name: str, **asked: Any) -> httpx.Response:
    return await api.post(f"/consumption/{name}/read", json={"wait": 30, **asked})


async def patiently(api: httpx.AsyncClient, name: str) -> httpx.Response:
    """Read until something comes, as readers do."""
    while True:
        answer = await read(api, name)
        if answer.status_code == 200 and answer.json()["events"]:
            return answer
        await asyncio.sleep(0.1)


@asynccontextmanager
async def waiting(
    url: str, room: Room, names: list[str], *, reader: Reader = patiently
) -> AsyncIterator[list[asyncio.Task[httpx.Response]]]:
    """A reader for each name, on a connection of its own. All leave at the end."""
    async with client(url, room) as api:
        tasks = [asyncio.create_task(reader(api, name), name=name) for name in names]
        try:
            yield tasks
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def sessions(room: Room) -> int:
    rows = await asyncio.to_thread(
        room.rows, "select count(*) from pg_stat_activity where application_name like 'trunkline pages%%'"
    )
    return rows[0][0]


async def ready(room: Room, tasks: list[asyncio.Task[httpx.Response]]) -> None:
    """All have looked once, and none was answered."""
    until = time.monotonic() + 60
    while True:
        rows = await asyncio.to_thread(
            room.rows,
            "select count(*) from consumption_mark m join consumption_position p on p.id = m.position_id"
            " where p.environment_id = %s", room.env,
        )  # fmt: skip
        if rows[0][0] >= len({task.get_name() for task in tasks}):
            break
        assert time.monotonic() < until
        await asyncio.sleep(0.05)
    done, _ = await asyncio.wait(tasks, timeout=1)
    assert not done, [task.result().text for task in done][:2]


async def pages(api: httpx.AsyncClient) -> float:
    """Seconds that the slowest of 20 pages took, one after the other."""
    slowest = 0.0
    for _ in range(20):
        begun = time.monotonic()
        answer = await api.get("/subscriptions")
        assert answer.status_code == 200
        slowest = max(slowest, time.monotonic() - begun)
    return slowest


async def test_two_hundred_readers_that_wait_hinder_no_page_and_one_event_wakes_all_that_want_it(
    hub: Hub, room: Room
) -> None:
    names = [f"r{number}" for number in range(MANY)]
    async with client(hub.url, room) as other:
        room.rows(POSITIONS, room.env, ["*"], names)
        alone = await pages(other)
        async with waiting(hub.url, room, names) as tasks:
            await ready(room, tasks)
            assert await sessions(room) == 2
            beside = await pages(other)
            assert not any(task.done() for task in tasks)
            # A waiting reader in one of the four places of pages would hold it for 30 s.
            assert beside < 2.0, (alone, beside)
            posted = (await other.post("/events", json={"type": "a.b", "data": 1})).json()["id"]
            woken = await asyncio.wait_for(asyncio.gather(*tasks), 30)
            assert {answer.status_code for answer in woken} == {200}
            found = [[event["id"] for event in answer.json()["events"]] for answer in woken]
            assert found == [[posted]] * MANY


async def test_noise_that_nobody_asked_for_wakes_none_of_them(hub: Hub, room: Room) -> None:
    names = [f"r{number}" for number in range(50)]
    async with client(hub.url, room) as other:
        room.rows(POSITIONS, room.env, ["order.*"], names)
        async with waiting(hub.url, room, names) as tasks:
            await ready(room, tasks)
            for _ in range(100):
                assert (await other.post("/events", json={"type": "user.made", "data": 1})).status_code == 202
            assert await pages(other) < 2.0
            done, _ = await asyncio.wait(tasks, timeout=1)
            assert not done
            wanted = (await other.post("/events", json={"type": "order.made", "data": 1})).json()["id"]
            for answer in await asyncio.wait_for(asyncio.gather(*tasks), 30):
                assert [event["id"] for event in answer.json()["events"]] == [wanted]


async def test_readers_that_go_away_leave_room_for_others(hub: Hub, room: Room) -> None:
    async with client(hub.url, room) as other:
        await other.post("/consumption", json={"name": "r"})
        for _ in range(2):
            # As many as may wait at once, so that one that stayed behind would show.
            async with waiting(hub.url, room, ["r"] * 250):
                await refused(other)
        posted = (await other.post("/events", json={"type": "a.b", "data": 1})).json()["id"]
        found = await read(other, "r", wait=5)
        assert [event["id"] for event in found.json()["events"]] == [posted]


async def test_one_more_than_may_wait_is_refused_with_when_to_ask_again(hub: Hub, room: Room) -> None:
    async with client(hub.url, room) as other:
        await other.post("/consumption", json={"name": "r"})
        async with waiting(hub.url, room, ["r"] * 250):
            answer = await refused(other)
            assert answer.json()["code"] == "rate-limited"
            assert answer.headers["retry-after"] == "1"
            assert answer.json()["request_id"] == answer.headers["x-request-id"]
            assert (await read(other, "r", wait=0)).status_code == 200


async def refused(api: httpx.AsyncClient) -> httpx.Response:
    """The first answer that says that as many wait as may."""
    until = time.monotonic() + 60
    while (answer := await read(api, "r", wait=0.01)).status_code == 200:
        assert time.monotonic() < until
    assert answer.status_code == 429, answer.text
    return answer


@pytest.mark.drill
async def test_readers_that_wait_are_answered_when_the_process_ends(
    hub: Hub, room: Room, tmp_path: Path
) -> None:
    port = free_port()
    env = environment(hub) | {"PORT": str(port), "HANDOVER": str(tmp_path / "doors")}
    web, pages_ = (
        subprocess.Popen([sys.executable, "-W", "ignore", "-m", "hub.serve", role], cwd=ROOT, env=env,
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for role in ("web", "pages")
    )  # fmt: skip
    room.api.post("/consumption", json={"name": "r"}).raise_for_status()
    try:
        url = f"http://127.0.0.1:{port}"
        async with client(url, room) as api:
            until, status = time.monotonic() + 30, 0
            while status != 200 and time.monotonic() < until:
                try:
                    status = (await api.get("/subscriptions")).status_code
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
            assert status == 200
        async with waiting(url, room, ["r"] * 5, reader=read) as tasks:
            await ready(room, tasks)
            begun = time.monotonic()
            pages_.terminate()
            answers = await asyncio.wait_for(asyncio.gather(*tasks), 10)
            assert [answer.json()["events"] for answer in answers] == [[]] * 5
            await asyncio.to_thread(pages_.wait, 10)
            # Far below the 30 s for which they would have waited, and the 8 s that a server waits for its requests.
            assert time.monotonic() - begun < 6
    finally:
        for process in (web, pages_):
            process.terminate()
            process.wait(20)
