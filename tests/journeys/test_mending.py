"""What an operator does to deliveries, and how bad neighbours are borne: retry, cancel, requeue, large bodies, hanging endpoints."""

from __future__ import annotations

import json
from typing import Any

import psycopg

from hub.core import ids
from hub.delivery.outcome import Reason
from hub.ops.receiver import Behaviour
from hub.ops.receiver.behaviour import Act
from tests.journeys.room import Room, wait_until
from tests.receiver import ReceiverThread


def deliveries(room: Room, **filters: Any) -> list[dict[str, Any]]:
    answer = room.api.get("/deliveries", params=filters)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def one(room: Room, status: str) -> dict[str, Any]:
    return wait_until(lambda: deliveries(room, status=status), what=f"a delivery that is {status}")[0]


def test_a_retry_by_hand_goes_at_once_and_its_failure_leaves_the_schedule(
    room: Room, receiver: ReceiverThread
) -> None:
    receiver.behave(Behaviour.failing(500, first=2), path="/hook")
    made = room.subscribe(receiver.url("/hook"), retry_schedule=[3600, 3600])
    room.post()
    waiting = one(room, "retrying")
    answer = room.api.post(f"/deliveries/{waiting['id']}/retry")
    assert answer.status_code == 202, answer.text
    receiver.wait_for(2, "/hook")
    rows = room.settled(made["id"], 2)
    again = one(room, "retrying")
    assert rows[1][1:] == (2, 500, rows[0][3], 0)
    planned = room.rows(
        "select extract(epoch from due_at - now())::int, attempt, manuals from due where sub = %s",
        room.number(made["id"]),
    )
    assert planned[0][1:] == (2, 1)
    assert 300 < planned[0][0] <= 3600
    room.api.post(f"/deliveries/{again['id']}/retry")
    assert room.settled(made["id"], 3)[2][2:] == (200, 0, 1)


def test_a_retry_by_hand_never_skips_an_open_breaker_in_silence(room: Room, receiver: ReceiverThread) -> None:
    receiver.behave(Behaviour.failing(500), path="/hook")
    room.subscribe(receiver.url("/hook"), retry_schedule=[3600], parallelism=1)
    for _ in range(5):
        room.post()
    wait_until(lambda: len(deliveries(room, status="retrying")) == 5)
    before = len(receiver.requests("/hook"))
    answer = room.api.post(f"/deliveries/{deliveries(room, status='retrying')[0]['id']}/retry")
    assert answer.status_code == 202
    assert "breaker is open" in answer.json()["result"]
    assert len(receiver.requests("/hook")) - before <= 1


def test_a_cancelled_delivery_is_never_sent(room: Room, receiver: ReceiverThread) -> None:
    made = room.subscribe(receiver.url("/hook"))
    room.api.post(f"/subscriptions/{made['id']}/pause").raise_for_status()
    room.post(data={"n": 1})
    room.post(data={"n": 2})
    wait_until(lambda: len(deliveries(room, status="waiting")) == 2)
    second = next(d for d in deliveries(room, status="waiting"))
    answer = room.api.post(f"/deliveries/{second['id']}/cancel")
    assert answer.json()["result"] == "cancelled"
    room.api.post(f"/subscriptions/{made['id']}/resume").raise_for_status()
    receiver.wait_for(1, "/hook")
    wait_until(lambda: room.waiting(made["id"]) == 0)
    assert len(receiver.requests("/hook")) == 1
    assert one(room, "cancelled")["id"] == second["id"]


def test_a_dead_letter_is_requeued_as_a_new_run_with_the_same_webhook_id(
    room: Room, receiver: ReceiverThread
) -> None:
    receiver.behave(Behaviour.failing(400, first=1), path="/hook")
    made = room.subscribe(receiver.url("/hook"), retry_schedule=[])
    room.post()
    dead = one(room, "dead")
    assert room.api.post(f"/deliveries/{dead['id']}/retry").json()["result"].startswith("refused")
    assert room.api.post(f"/deliveries/{dead['id']}/requeue").status_code == 202
    first, second = receiver.wait_for(2, "/hook")
    assert first.webhook_id == second.webhook_id
    assert "trunkline-run" not in first.headers
    assert int(second.headers["trunkline-run"]) > 0
    assert [row[4] for row in room.settled(made["id"], 2)] == [2, 1]


def test_a_body_of_a_quarter_megabyte_arrives_whole_and_again_on_retry(
    room: Room, receiver: ReceiverThread
) -> None:
    receiver.behave(Behaviour.failing(500, first=1), path="/hook")
    room.subscribe(receiver.url("/hook"), retry_schedule=[1])
    text = "ü" * 100_000
    room.post(data={"text": text})
    first, second = receiver.wait_for(2, "/hook")
    assert first.body == second.body
    assert json.loads(first.body)["data"]["text"] == text


def test_fifty_hanging_endpoints_with_large_bodies_leave_a_healthy_one_alone(
    room: Room, receiver: ReceiverThread
) -> None:
    receiver.behave(Behaviour(act=Act.hang), path="/hang")
    for number in range(50):
        room.subscribe(
            receiver.url("/hang"), "big.*", name=f"hanging {number}", timeout_s=3, retry_schedule=[3600]
        )
    room.subscribe(receiver.url("/well"), "big.*")
    events = [{"type": "big.one", "data": "x" * 200_000} for _ in range(20)]
    room.api.post("/events/batch", json={"events": events}).raise_for_status()
    receiver.wait_for(20, "/well", deadline_s=20)
    open_requests = len([r for r in receiver.requests("/hang")])
    assert open_requests <= 50 * 5


def test_a_delivery_older_than_its_subscription_allows_expires_unsent(
    room: Room, receiver: ReceiverThread
) -> None:
    made = room.subscribe(receiver.url("/hook"), max_age_s=60)
    with psycopg.connect(room.hub.database, autocommit=True) as session:
        session.execute(
            "insert into event (day, shard, seq, id, env, size, created_at, type, data) values"
            " (current_date, %s, nextval('event_seq'), %s, %s, 1, now() - interval '1 hour', 'a.b', '1')",
            (room.shard, ids.uuid7().hex(), room.env),
        )
        session.execute("select pg_notify('hub_events', %s)", (str(room.shard),))
    assert room.settled(made["id"], 1)[0][1:] == (0, 0, Reason.expired, 4)
    assert receiver.requests("/hook") == []


def test_what_waits_for_a_deleted_subscription_is_dropped_and_counted(
    room: Room, receiver: ReceiverThread
) -> None:
    made = room.subscribe(receiver.url("/hook"))
    room.api.post(f"/subscriptions/{made['id']}/pause").raise_for_status()
    for _ in range(3):
        room.post()
    wait_until(lambda: room.waiting(made["id"]) == 3)
    assert room.api.delete(f"/subscriptions/{made['id']}").status_code == 204
    number = room.number(made["id"])
    wait_until(lambda: room.rows("select waiting from ended where sub = %s", number) == [(3,)])
    assert room.rows("select count(*) from parcel where sub = %s", number) == [(0,)]
    assert receiver.requests("/hook") == []


def test_what_is_cancelled_while_it_is_being_sent_has_one_end(room: Room, receiver: ReceiverThread) -> None:
    receiver.behave(Behaviour(latency_s=0.005), path="/busy")
    made = room.subscribe(receiver.url("/busy"), parallelism=2)
    events = [{"type": "order.created", "data": {"id": number}} for number in range(400)]
    assert room.api.post("/events/batch", json={"events": events}).status_code == 202
    receiver.wait_for(20, "/busy")
    for _ in range(3):
        assert room.api.post("/deliveries/cancel", json={"subscription": made["id"]}).status_code in (
            200,
            202,
        )
    wait_until(lambda: room.waiting(made["id"]) == 0, what="the end of all")
    ends = room.rows(
        "select seq, count(*), min(finish), max(finish) from attempt where sub = %s and finish <> 0 group by seq",
        room.number(made["id"]),
    )
    assert len(ends) == 400
    assert {count for _, count, _, _ in ends} == {1}
    delivered = sum(finish == 1 for _, _, finish, _ in ends)
    assert 20 <= delivered < 400
    assert len(receiver.requests("/busy")) == delivered
