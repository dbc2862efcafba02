"""An event comes in and goes out: signed, retried, broken off, dead, in order."""

from __future__ import annotations

import json
import time

from standardwebhooks import Webhook

from hub.delivery.outcome import Reason
from hub.ops.receiver import Behaviour
from hub.ops.receiver.behaviour import Act
from tests.journeys.room import Room, wait_until
from tests.receiver import ReceiverThread

DELIVERED, DEAD = 1, 2


def test_an_event_arrives_signed_and_the_public_library_verifies_it(
    room: Room, receiver: ReceiverThread
) -> None:
    made = room.subscribe(receiver.url("/hook"), "order.*", headers={"X-Shop": "blue"})
    event = room.post("order.created", {"total": 10.00, "name": "Zoë"}, subject="order-1")
    (got,) = receiver.wait_for(1, "/hook")
    headers = dict(got.headers)
    body = Webhook(made["secret"]).verify(got.body, headers)
    assert (body["id"], body["type"], body["subject"]) == (event, "order.created", "order-1")
    assert body["data"] == {"total": 10.0, "name": "Zoë"}
    assert headers["x-shop"] == "blue"
    assert headers["traceparent"].startswith("00-")
    assert [row[2:] for row in room.settled(made["id"], 1)] == [(200, 0, DELIVERED)]
    wait_until(lambda: room.waiting(made["id"]) == 0)


def test_the_senders_digits_reach_the_receiver_untouched(room: Room, receiver: ReceiverThread) -> None:
    room.subscribe(receiver.url("/hook"))
    raw = '{"type":"a.b","data":{"n":1.10,"big":123456789012345678901234567890}}'
    room.api.post("/events", content=raw, headers={"Content-Type": "application/json"}).raise_for_status()
    (got,) = receiver.wait_for(1, "/hook")
    assert got.body.endswith(b',"data":{"n":1.10,"big":123456789012345678901234567890}}')


def test_a_failure_is_retried_with_the_same_body_and_id(room: Room, receiver: ReceiverThread) -> None:
    receiver.behave(Behaviour.failing(503, first=2), path="/hook")
    made = room.subscribe(receiver.url("/hook"), retry_schedule=[1, 1, 1])
    room.post()
    first, second, third = receiver.wait_for(3, "/hook")
    assert first.body == second.body == third.body
    assert len({request.webhook_id for request in (first, second, third)}) == 1
    assert [request.attempt for request in (first, second, third)] == [1, 2, 3]
    rows = room.settled(made["id"], 3)
    assert [row[1:] for row in rows] == [
        (1, 503, Reason.http_5xx, 0),
        (2, 503, Reason.http_5xx, 0),
        (3, 200, 0, DELIVERED),
    ]
    wait_until(lambda: room.waiting(made["id"]) == 0)


def test_after_the_last_retry_it_is_dead_and_the_environment_is_told(
    room: Room, receiver: ReceiverThread
) -> None:
    receiver.behave(Behaviour.failing(400), path="/bad")
    watch = room.subscribe(receiver.url("/watch"), "hub.*")
    made = room.subscribe(receiver.url("/bad"), "order.*", retry_schedule=[1])
    event = room.post()
    (told,) = receiver.wait_for(1, "/watch")
    body = json.loads(told.body)
    assert body["type"] == "hub.delivery.dead"
    assert (body["data"]["subscription"], body["data"]["event"]) == (made["id"], event)
    assert body["data"]["reason"] == "http-4xx"
    assert [row[4] for row in room.attempts(made["id"])] == [0, DEAD]
    room.settled(watch["id"], 1)


def test_a_dead_hub_event_makes_no_further_one(room: Room, receiver: ReceiverThread) -> None:
    receiver.behave(Behaviour.failing(410), path="/gone")
    receiver.behave(Behaviour.failing(400), path="/watch")
    watch = room.subscribe(receiver.url("/watch"), "hub.*", retry_schedule=[])
    room.subscribe(receiver.url("/gone"), "order.*")
    room.post()
    rows = room.settled(watch["id"], 2)
    assert [row[4] for row in rows] == [DEAD, DEAD]
    told = room.rows("select type from event where env = %s and origin = 1 order by seq", room.env)
    assert sorted(row[0] for row in told) == ["hub.delivery.dead", "hub.subscription.disabled"]


def test_410_disables_the_subscription_and_nothing_more_is_routed_to_it(
    room: Room, receiver: ReceiverThread
) -> None:
    receiver.behave(Behaviour.failing(410), path="/gone")
    made = room.subscribe(receiver.url("/gone"))
    room.post()
    wait_until(lambda: room.api.get(f"/subscriptions/{made['id']}").json()["state"] == "disabled")
    assert "410" in room.api.get(f"/subscriptions/{made['id']}").json()["state_reason"]
    room.post()
    wait_until(lambda: room.rows(
        "select 1 from routed where shard = %s and upto >= (select max(seq) from event where env = %s and origin = 0)",
        room.shard, room.env,
    ))  # fmt: skip
    assert len(receiver.requests("/gone")) == 1
    assert room.waiting(made["id"]) == 0


def test_an_open_breaker_burns_no_retries_and_recovers_through_a_probe(
    room: Room, receiver: ReceiverThread
) -> None:
    receiver.behave(Behaviour.failing(500, first=5), path="/hook")
    watch = room.subscribe(receiver.url("/watch"), "hub.breaker.*")
    made = room.subscribe(receiver.url("/hook"), "order.*", parallelism=1, retry_schedule=[3600])
    for _ in range(20):
        room.post()
    (opened,) = receiver.wait_for(1, "/watch")
    assert json.loads(opened.body)["type"] == "hub.breaker.opened"
    assert len(receiver.requests("/hook")) == 5
    # Its pause is 0.5 to 5 s; then one probe succeeds, and the ramp sends what waited.
    receiver.wait_for(2, "/watch", deadline_s=15)
    rows = room.settled(made["id"], 5 + 15, seconds=15)
    assert [row[4] for row in rows[:5]] == [0] * 5
    assert all(row[4] == DELIVERED and row[1] == 1 for row in rows[5:20])
    room.settled(watch["id"], 2)


def test_429_holds_the_subscription_and_not_each_delivery(room: Room, receiver: ReceiverThread) -> None:
    receiver.behave(Behaviour.rate_limiting(2, first=1), path="/hook")
    made = room.subscribe(receiver.url("/hook"), parallelism=1, retry_schedule=[1, 1])
    room.post()
    receiver.wait_for(1, "/hook")
    begun = time.monotonic()
    for _ in range(5):
        room.post()
    receiver.wait_for(7, "/hook")
    assert time.monotonic() - begun > 1.5
    rows = room.settled(made["id"], 7)
    assert sorted(row[2] for row in rows) == [200] * 6 + [429]


def test_a_redirect_is_never_followed(room: Room, receiver: ReceiverThread) -> None:
    receiver.behave(Behaviour.redirecting(receiver.url("/secret")), path="/hook")
    made = room.subscribe(receiver.url("/hook"), retry_schedule=[])
    room.post()
    assert [row[2:] for row in room.settled(made["id"], 1)] == [(307, Reason.http_3xx, DEAD)]
    assert receiver.requests("/secret") == []


def test_a_subject_is_delivered_in_order_past_a_failure(room: Room, receiver: ReceiverThread) -> None:
    receiver.behave(Behaviour.failing(500, first=1), path="/hook")
    made = room.subscribe(receiver.url("/hook"), ordering="subject", retry_schedule=[1, 1])
    for number in range(6):
        room.post(data={"n": number}, subject="a")
    room.settled(made["id"], 7, seconds=15)
    numbers = [json.loads(request.body)["data"]["n"] for request in receiver.requests("/hook")]
    assert numbers == [0, 0, 1, 2, 3, 4, 5]
    wait_until(lambda: room.waiting(made["id"]) == 0)


def test_another_subject_does_not_wait_for_it(room: Room, receiver: ReceiverThread) -> None:
    receiver.behave(Behaviour.failing(500, first=1), path="/hook")
    room.subscribe(receiver.url("/hook"), ordering="subject", retry_schedule=[3600])
    room.post(data={"n": 1}, subject="a")
    receiver.wait_for(1, "/hook")
    room.post(data={"n": 2}, subject="a")
    room.post(data={"n": 3}, subject="b")
    assert json.loads(receiver.wait_for(2, "/hook")[1].body)["data"]["n"] == 3
    wait_until(lambda: room.rows("select 1 from due where sub = any(select id from subscriptions_subscription"
                                 " where environment_id = %s) and held", room.env))  # fmt: skip


def test_a_paused_subscription_keeps_what_comes_and_sends_it_when_resumed(
    room: Room, receiver: ReceiverThread
) -> None:
    made = room.subscribe(receiver.url("/hook"))
    room.api.post(f"/subscriptions/{made['id']}/pause").raise_for_status()
    for _ in range(3):
        room.post()
    wait_until(lambda: room.waiting(made["id"]) == 3)
    assert receiver.requests("/hook") == []
    room.api.post(f"/subscriptions/{made['id']}/resume").raise_for_status()
    receiver.wait_for(3, "/hook")


def test_both_secrets_sign_while_they_overlap(room: Room, receiver: ReceiverThread) -> None:
    made = room.subscribe(receiver.url("/hook"))
    fresh = room.api.post(f"/subscriptions/{made['id']}/secrets/rotate", json={"overlap_s": 3600}).json()
    room.post()
    (got,) = receiver.wait_for(1, "/hook")
    headers = dict(got.headers)
    for secret in (made["secret"], fresh["value"]):
        Webhook(secret).verify(got.body, headers)


def test_hanging_and_endless_answers_are_cut_off(room: Room, receiver: ReceiverThread) -> None:
    receiver.behave(Behaviour(act=Act.hang), path="/hang")
    receiver.behave(Behaviour(act=Act.endless_body), path="/endless")
    receiver.behave(Behaviour(act=Act.reset_before_reading), path="/reset")
    made = {
        path: room.subscribe(receiver.url(path), retry_schedule=[], timeout_s=1)["id"]
        for path in ("/hang", "/endless", "/reset")
    }
    room.post()
    outcomes = {path: room.settled(uid, 1)[0][2:] for path, uid in made.items()}
    assert outcomes["/hang"] == (0, Reason.read_timeout, DEAD)
    assert outcomes["/endless"] == (200, 0, DELIVERED)
    assert outcomes["/reset"] == (0, Reason.reset, DEAD)
