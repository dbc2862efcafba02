"""Events are fetched instead of sent: over HTTP, from a whole running hub."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests.journeys.room import Room

LEDGER = "/consumption/ledger"


@pytest.fixture
def aside() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


def make(room: Room, **more: Any) -> dict[str, Any]:
    answer = room.api.post("/consumption", json={"name": "ledger", **more})
    assert answer.status_code == 201, answer.text
    return answer.json()


def read(room: Room, *, key: str | None = None, **asked: Any) -> dict[str, Any]:
    """On a connection of its own."""
    with room.hub.client(key or room.key) as client:
        client.timeout = httpx.Timeout(40)
        answer = client.post(f"{LEDGER}/read", json=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ack(room: Room, batch: dict[str, Any]) -> dict[str, Any]:
    answer = room.api.post(f"{LEDGER}/ack", json={"lease": batch["lease"]})
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(batch: dict[str, Any]) -> list[str]:
    return [event["id"] for event in batch["events"]]


def test_what_is_posted_is_fetched_acknowledged_and_never_comes_again(room: Room) -> None:
    make(room)
    posted = [room.post("order.made", {"n": number}, subject="o-1") for number in range(5)]
    batch = read(room)
    assert ids(batch) == posted
    assert [event["data"] for event in batch["events"]] == [{"n": number} for number in range(5)]
    assert {event["subject"] for event in batch["events"]} == {"o-1"}
    assert ack(room, batch)["status"] == "acked"
    assert ack(room, batch)["status"] == "already"
    assert read(room)["events"] == []


def test_a_waiting_reader_is_answered_as_soon_as_an_event_is_accepted(
    room: Room, aside: ThreadPoolExecutor
) -> None:
    make(room)
    ack(room, (room.post(), read(room))[1])
    took = []
    for _ in range(5):
        waiting = aside.submit(read, room, wait=20)
        begins_to_wait(waiting)
        posted = room.post()
        begun = time.monotonic()
        batch = waiting.result(20)
        took.append(time.monotonic() - begun)
        assert ids(batch) == [posted]
        ack(room, batch)
    # Milliseconds on an idle machine; far below the second that a look without a notification would take.
    assert sorted(took)[2] < 0.25, took


def begins_to_wait(waiting: Future[Any]) -> None:
    """It isn't answered, so it waits; its first look is over long before."""
    until = time.monotonic() + 0.15
    while time.monotonic() < until:
        assert not waiting.done()
        time.sleep(0.02)


def test_a_reader_that_gets_nothing_is_answered_when_its_time_is_over(room: Room) -> None:
    make(room, types=["order.*"])
    room.post("user.made")
    begun = time.monotonic()
    assert read(room, wait=1) == {
        "lease": None, "expires_at": None, "events": [], "has_more": False, "skipped_to": {},
    }  # fmt: skip
    assert 1 <= time.monotonic() - begun < 3


def test_what_is_not_acknowledged_in_time_goes_to_a_reader_that_waits(room: Room) -> None:
    make(room)
    posted = [room.post() for _ in range(3)]
    first = read(room, lease=5)
    assert read(room)["events"] == []
    begun = time.monotonic()
    second = read(room, wait=20)
    assert (ids(second), ids(first)) == (posted, posted)
    assert 3 < time.monotonic() - begun < 8
    refused = room.api.post(f"{LEDGER}/ack", json={"lease": first["lease"]})
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert ack(room, second)["status"] == "acked"


def test_a_position_goes_back_in_time(room: Room) -> None:
    make(room)
    first = room.post()
    between = datetime.now(UTC).isoformat()
    later = [room.post() for _ in range(2)]
    ack(room, read(room))
    for to, wanted in ((between, later), ("1h", [first, *later]), ("now", [])):
        assert room.api.post(f"{LEDGER}/seek", json={"to": to}).status_code == 200
        assert ids(read(room)) == wanted, to
    shown = room.api.post(f"{LEDGER}/seek", json={"to": "beginning"}).json()
    assert (shown["backlog"]["events"], shown["leases"]) == (3, [])


def test_two_readers_of_one_name_share_all_of_it(room: Room) -> None:
    consumers = [room.api.post("/consumers", json={"uid": f"c{n}"}).json()["id"] for n in range(6)]
    make(room, types=["order.*"])
    posted: set[str] = set()
    for number in range(60):
        posted.add(room.post("order.made", {"n": number}, consumer=consumers[number % 6]))
        room.post("user.made", consumer=consumers[number % 6])
    got: list[list[dict[str, Any]]] = [[], []]
    gate = threading.Barrier(2, timeout=10)

    def reader(number: int) -> None:
        with room.hub.client(room.key) as client:
            gate.wait()
            while len(got[0]) + len(got[1]) < 60:
                batch = client.post(f"{LEDGER}/read", json={"limit": 7, "wait": 1}).json()
                got[number] += batch["events"]
                if batch["lease"]:
                    client.post(f"{LEDGER}/ack", json={"lease": batch["lease"]}).raise_for_status()

    threads = [threading.Thread(target=reader, args=[number]) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    first, second = ([event["id"] for event in events] for events in got)
    assert len(first) + len(second) == 60
    assert set(first) | set(second) == posted
    assert {event["type"] for events in got for event in events} == {"order.made"}
    for events in got:
        for shard in {event["shard"] for event in events}:
            offsets = [event["offset"] for event in events if event["shard"] == shard]
            assert offsets == sorted(offsets)


def test_a_consumer_fetches_what_is_addressed_to_it(room: Room, aside: ThreadPoolExecutor) -> None:
    acme, globex = (room.api.post("/consumers", json={"uid": uid}).json()["id"] for uid in ("acme", "globex"))
    number = room.rows("select id from tenants_consumer where public_id = %s", acme)[0][0]
    key = room.key_for(consumer=number, scopes=["events:consume", "events:read"])
    with room.hub.client(key) as client:
        assert client.post("/consumption", json={"name": "ledger"}).status_code == 201
    waiting = aside.submit(read, room, key=key, wait=20)
    begins_to_wait(waiting)
    room.post()
    room.post(consumer=globex)
    own = room.post(consumer=acme)
    batch = waiting.result(20)
    assert [(event["id"], event["consumer"]) for event in batch["events"]] == [(own, acme)]


def test_a_consumer_that_comes_later_is_heard_by_a_reader_that_waits(
    room: Room, aside: ThreadPoolExecutor
) -> None:
    make(room)
    waiting = aside.submit(read, room, wait=20)
    begins_to_wait(waiting)
    acme = room.api.post("/consumers", json={"uid": "acme"}).json()["id"]
    posted = room.post(consumer=acme)
    assert ids(waiting.result(20)) == [posted]


def test_a_key_that_is_revoked_while_it_waits_gets_nothing(room: Room, aside: ThreadPoolExecutor) -> None:
    make(room)
    made = room.api.post("/keys", json={"scopes": ["events:consume"]}).json()
    with room.hub.client(made["key"]) as client:
        client.timeout = httpx.Timeout(40)
        waiting = aside.submit(client.post, f"{LEDGER}/read", json={"wait": 20})
        begins_to_wait(waiting)
        assert room.api.delete(f"/keys/{made['id']}").status_code == 204
        room.post()
        assert waiting.result(20).status_code == 401
    assert len(read(room)["events"]) == 1
