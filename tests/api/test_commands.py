"""Commands through the running hub: the owner of the shard applies them, and the answer says what came of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hub.ops.receiver import Behaviour
from tests.conftest import Hub
from tests.journeys.room import Room, enter, wait_until
from tests.receiver import ReceiverThread, running

pytestmark = pytest.mark.journey


@pytest.fixture
def room(hub: Hub) -> Iterator[Room]:
    made = enter(hub)
    yield made
    made.leave()


@pytest.fixture
def receiver() -> Iterator[ReceiverThread]:
    with running() as started:
        yield started


def in_state(room: Room, event: str, state: str) -> str:
    """The id of the event's only delivery once it is in the state."""

    def found() -> str | None:
        (row, *_) = room.api.get("/deliveries", params={"event": event}).json()["data"] or [{}]
        return row.get("id") if row.get("state") == state else None

    return wait_until(found, what=state)


def test_a_dead_letter_is_requeued_and_delivered(room: Room, receiver: ReceiverThread) -> None:
    receiver.behave(Behaviour.failing(500, first=1), path="/hook")
    room.subscribe(receiver.url("/hook"), retry_schedule=[])
    event = room.post()
    dead = in_state(room, event, "dead")
    attempts = room.api.get(f"/deliveries/{dead}/attempts").json()["data"]
    assert [(row["number"], row["http"], row["reason"]["code"]) for row in attempts] == [(1, 500, "http-5xx")]
    names = [header["name"] for header in attempts[0]["capture"]["request_headers"]]
    assert {"webhook-id", "webhook-timestamp", "webhook-signature"} <= set(names)
    assert "authorization" not in names
    asked = room.api.post(f"/deliveries/{dead}/requeue").json()
    assert (asked["status"], asked["result"]) == (
        "done",
        f"queued as run {asked['command'].removeprefix('cmd_')}",
    )
    again = wait_until(
        lambda: room.api.get(f"/deliveries/{asked['new_delivery']}").json().get("state") == "delivered"
    )
    assert again
    (found,) = [
        row
        for row in room.api.get(f"/events/{event}").json()["deliveries"]["states"].items()
        if row[0] == "dead"
    ]
    assert found == ("dead", 1)
    assert room.api.post("/deliveries/requeue", json={}).json() == {"queued": 0, "truncated": False}


def test_what_waits_for_its_retry_is_tried_at_once_or_cancelled(room: Room, receiver: ReceiverThread) -> None:
    receiver.behave(Behaviour.failing(500, first=2), path="/hook")
    room.subscribe(receiver.url("/hook"), retry_schedule=[3600, 3600])
    first, second = room.post(), room.post()
    retrying, other = in_state(room, first, "retrying"), in_state(room, second, "retrying")
    asked = room.api.post(f"/deliveries/{retrying}/retry", headers={"Idempotency-Key": "one"}).json()
    assert (asked["status"], asked["result"]) == ("done", "queued")
    in_state(room, first, "delivered")
    again = room.api.post(f"/deliveries/{retrying}/retry", headers={"Idempotency-Key": "one"})
    assert (again.headers["Idempotent-Replayed"], again.json()) == ("true", asked)
    refused = room.api.post(f"/deliveries/{retrying}/retry").json()
    assert (refused["status"], refused["result"]) == (
        "refused", "refused: the delivery has ended; requeue it for a new run",
    )  # fmt: skip
    assert room.api.post(f"/deliveries/{other}/cancel").json()["result"] == "cancelled"
    cancelled = room.api.get(f"/deliveries/{other}").json()
    assert (cancelled["state"], cancelled["reason"]["code"], cancelled["attempts"]) == (
        "cancelled",
        "cancelled",
        1,
    )
    assert cancelled["last_attempt"]["sent"] is False


def test_a_paused_subscriptions_backlog_is_listed_and_cancelled_in_one_go(
    room: Room, receiver: ReceiverThread
) -> None:
    made = room.subscribe(receiver.url("/hook"))
    room.api.post(f"/subscriptions/{made['id']}/pause").raise_for_status()
    events = [room.post() for _ in range(5)]
    for event in events:
        in_state(room, event, "waiting")
    waiting = room.api.get("/deliveries", params={"status": "waiting", "limit": 2}).json()
    assert ([row["event"] for row in waiting["data"]], waiting["has_more"]) == ([events[4], events[3]], True)
    asked = room.api.post("/deliveries/cancel", json={"subscription": made["id"]}).json()
    assert asked == {"queued": 5, "truncated": False}
    for event in events:
        in_state(room, event, "cancelled")
    room.api.post(f"/subscriptions/{made['id']}/resume").raise_for_status()
    last = room.post()
    in_state(room, last, "delivered")
    assert len(receiver.requests("/hook")) == 1


def test_the_log_of_the_environments_shard_is_read_by_offset(room: Room) -> None:
    events = [room.post("note.made", {"n": number}) for number in range(3)]
    assert room.api.get("/events/shards").json() == {"data": [room.shard]}
    page = room.api.get("/events/log", params={"shard": room.shard}).json()
    assert [(row["id"], row["data"]) for row in page["data"]] == [
        (id, {"n": n}) for n, id in enumerate(events)
    ]
    wait_until(lambda: room.api.get(f"/events/{events[2]}").json()["routing"] == "unmatched")
