"""A subscription told to misbehave: retries, holds, breaker and endings as of a broken server, and not a byte to the real one."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from hub.core import ids
from hub.delivery.outcome import Reason
from hub.tenants import keys
from hub.tenants.roles import EVERYTHING
from tests.journeys.room import ENVIRONMENT, KEY, Room, wait_until
from tests.receiver import ReceiverThread

DELIVERED, DEAD = 1, 2


def simulate(room: Room, subscription: str, value: dict[str, Any] | None) -> None:
    answer = room.api.patch(f"/subscriptions/{subscription}", json={"simulate": value})
    assert answer.status_code == 200, answer.text


def attempts(room: Room, event: str) -> list[dict[str, Any]]:
    """Of an event's only delivery, the first attempt first."""
    (delivery,) = room.api.get(f"/events/{event}/deliveries").json()["data"]
    return room.api.get(f"/deliveries/{delivery['id']}/attempts").json()["data"][::-1]


def test_a_simulated_503_is_retried_and_switched_off_it_delivers(
    room: Room, receiver: ReceiverThread
) -> None:
    made = room.subscribe(receiver.url("/hook"), simulate={"status": 503}, retry_schedule=[1] * 10)
    assert made["simulate"] == {
        "status": 503, "latency_ms": 0, "reset": False, "slow_body": False, "probability": 1.0, "first": None,
        "retry_after_s": None,
    }  # fmt: skip
    event = room.post()
    rows = room.settled(made["id"], 2)
    assert [row[1:] for row in rows[:2]] == [(1, 503, Reason.http_5xx, 0), (2, 503, Reason.http_5xx, 0)]
    assert receiver.requests("/hook") == []
    simulate(room, made["id"], None)
    (got,) = receiver.wait_for(1, "/hook")
    rows = room.settled(made["id"], got.attempt)
    assert [row[2:] for row in rows] == [(503, Reason.http_5xx, 0)] * (got.attempt - 1) + [
        (200, 0, DELIVERED)
    ]
    told = attempts(room, event)
    assert [(one["sent"], one["detail"]) for one in told] == [(False, "simulated: 503")] * (
        got.attempt - 1
    ) + [(True, None)]
    assert "webhook-id" in str(told[0]["capture"]["request_headers"])


def test_first_fails_so_many_attempts_of_each_delivery(room: Room, receiver: ReceiverThread) -> None:
    made = room.subscribe(receiver.url("/hook"), simulate={"reset": True, "first": 1}, retry_schedule=[1, 1])
    for _ in range(2):
        room.post()
    assert {got.attempt for got in receiver.wait_for(2, "/hook")} == {2}
    rows = sorted(row[1:] for row in room.settled(made["id"], 4))
    assert rows == [(1, 0, Reason.reset, 0)] * 2 + [(2, 200, 0, DELIVERED)] * 2


def test_a_429_with_retry_after_holds_the_subscription_until_it_is_taken_back(
    room: Room, receiver: ReceiverThread
) -> None:
    told = {"status": 429, "retry_after_s": 3600}
    made = room.subscribe(receiver.url("/hook"), simulate=told, retry_schedule=[1] * 5)
    event = room.post()
    room.settled(made["id"], 1)
    (first,) = attempts(room, event)
    assert first["reason"]["code"] == "http-429"
    assert first["capture"]["headers"] == [{"name": "retry-after", "value": "3600"}]
    for _ in range(3):
        room.post()
    wait_until(lambda: room.waiting(made["id"]) == 4)
    (due,) = room.rows(
        "select extract(epoch from due_at - now())::int from due where sub = %s", room.number(made["id"])
    )
    assert 3500 < due[0] <= 3960
    assert len(room.attempts(made["id"])) == 1
    # The simulator takes its hold back with it; the retry keeps the time that it was given.
    simulate(room, made["id"], None)
    receiver.wait_for(3, "/hook")
    assert [row[2] for row in room.settled(made["id"], 4)] == [429, 200, 200, 200]


def test_a_410_disables_the_subscription(room: Room, receiver: ReceiverThread) -> None:
    made = room.subscribe(receiver.url("/hook"), simulate={"status": 410})
    room.post()
    path = f"/subscriptions/{made['id']}"
    wait_until(lambda: room.api.get(path).json()["state"] == "disabled", what="its end")
    assert [row[1:] for row in room.attempts(made["id"])] == [(1, 410, Reason.http_410, DEAD)]
    assert receiver.requests("/hook") == []


def test_a_breaker_opens_by_simulation_and_closes_when_it_ends(room: Room, receiver: ReceiverThread) -> None:
    watch = room.subscribe(receiver.url("/watch"), "hub.breaker.*")
    made = room.subscribe(
        receiver.url("/hook"), "order.*", simulate={"status": 500}, parallelism=1, retry_schedule=[3600]
    )
    for _ in range(20):
        room.post()
    receiver.wait_for(1, "/watch")
    room.settled(watch["id"], 1)
    assert receiver.requests("/hook") == []
    assert 5 <= len(room.attempts(made["id"])) < 20
    simulate(room, made["id"], None)
    rows = room.settled(made["id"], 20)
    passed = [row for row in rows if row[2] == 200]
    assert {row[1:] for row in rows} == {(1, 500, Reason.http_5xx, 0), (1, 200, 0, DELIVERED)}
    assert len(receiver.wait_for(len(passed), "/hook")) == len(passed)


def test_late_answers_and_slow_bodies_end_as_timeouts(room: Room, receiver: ReceiverThread) -> None:
    late = room.subscribe(receiver.url("/a"), simulate={"latency_ms": 30_000}, timeout_s=1, retry_schedule=[])
    slow = room.subscribe(receiver.url("/b"), simulate={"slow_body": True}, timeout_s=1, retry_schedule=[])
    quick = room.subscribe(receiver.url("/c"), simulate={"latency_ms": 200}, retry_schedule=[])
    room.post()
    assert [row[1:] for row in room.settled(late["id"], 1)] == [(1, 0, Reason.read_timeout, DEAD)]
    assert [row[1:] for row in room.settled(slow["id"], 1)] == [(1, 200, Reason.read_timeout, DEAD)]
    assert [row[1:] for row in room.settled(quick["id"], 1)] == [(1, 200, 0, DELIVERED)]
    took = {
        name: room.rows("select total_us / 1e6 from attempt where sub = %s", room.number(made["id"]))[0][0]
        for name, made in (("late", late), ("slow", slow), ("quick", quick))
    }
    assert 0.99 <= took["late"] < 10
    assert 0.99 <= took["slow"] < 10
    assert 0.19 <= took["quick"] < took["late"]
    assert receiver.requests() == []


def test_a_probability_lets_some_through(room: Room, receiver: ReceiverThread) -> None:
    told = {"status": 503, "probability": 0.5}
    made = room.subscribe(receiver.url("/hook"), simulate=told, retry_schedule=[], parallelism=256)
    for _ in range(40):
        room.post()
    wait_until(lambda: {row[2] for row in room.attempts(made["id"])} == {200, 503}, seconds=20, what="both")


@pytest.fixture
def live(room: Room) -> Any:
    """A client of a live environment of the same tenant."""
    made = keys.make(kind="live", random=ids.uuid7() + ids.uuid7())
    with psycopg.connect(room.hub.database) as session:
        statement = ENVIRONMENT.replace("'test', 'test'", "'live', 'live'")
        env, _ = session.execute(statement, (ids.new_id("env"), room.tenant)).fetchone()  # type: ignore[misc]
        values = (ids.new_id("key"), env, None, made.prefix, made.hash, sorted(EVERYTHING), None)
        session.execute(KEY, values)
    with room.hub.client(made.text) as client:
        yield client


def test_a_live_environment_refuses_it(room: Room, live: Any) -> None:
    new = {"url": "https://hooks.example.com/", "patterns": ["*"]}
    refused = live.post("/subscriptions", json={**new, "simulate": {"status": 503}})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/simulate")
    assert "kind test" in refused.json()["detail"]
    made = live.post("/subscriptions", json={**new, "simulate": None}).json()
    refused = live.patch(f"/subscriptions/{made['id']}", json={"simulate": {"status": 503}})
    assert refused.status_code == 422
    assert live.get(f"/subscriptions/{made['id']}").json()["version"] == 1
    assert live.post("/sinks", json={}).status_code == 422
    assert live.delete(f"/subscriptions/{made['id']}").status_code == 204
