"""Taking events in: what is accepted, what is refused and why, and that nothing comes twice."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from hub.tenants.roles import EVERYTHING
from tests.journeys.room import Room, wait_until
from tests.receiver import ReceiverThread

JSON = {"Content-Type": "application/json"}


def events(room: Room) -> int:
    return room.rows("select count(*) from event where env = %s", room.env)[0][0]


def test_the_same_key_gets_the_first_answer_and_another_body_is_refused(room: Room) -> None:
    body = {"type": "order.created", "data": {"id": 1}}
    first = room.api.post("/events", json=body, headers={"Idempotency-Key": "abc"})
    again = room.api.post("/events", json=body, headers={"Idempotency-Key": "abc"})
    other = room.api.post("/events", json={**body, "data": 2}, headers={"Idempotency-Key": "abc"})
    assert (first.status_code, again.status_code, other.status_code) == (202, 202, 422)
    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"
    assert other.json()["code"] == "idempotency-mismatch"
    assert events(room) == 1


def test_the_clients_own_id_and_source_are_a_key_too(room: Room) -> None:
    one = room.post(id="o-1", source="shop")
    assert room.post(id="o-1", source="shop") == one
    assert room.post(id="o-1", source="till") != one
    assert events(room) == 2


def test_a_batch_is_answered_item_by_item(room: Room, receiver: ReceiverThread) -> None:
    room.subscribe(receiver.url("/hook"))
    items = [
        {"type": "a.b", "data": 1},
        {"type": "a b", "data": 2},
        {"type": "a.b", "data": 3, "idempotency_key": "k"},
        {"type": "a.b", "data": 3, "idempotency_key": "k"},
        {"type": "a.b", "data": 4, "consumer": "nobody"},
        {"type": "a.b", "dta": 5},
    ]
    answer = room.api.post("/events/batch", json={"events": items})
    found = [item["status"] for item in answer.json()["events"]]
    assert (answer.status_code, found) == (202, [202, 422, 202, 409, 422, 400])
    assert (answer.json()["accepted"], answer.json()["refused"]) == (2, 4)
    receiver.wait_for(2, "/hook")
    assert events(room) == 2


def test_a_batch_with_one_header_key_is_taken_once(room: Room) -> None:
    items = {"events": [{"type": "a.b", "data": n} for n in range(5)]}
    first = room.api.post("/events/batch", json=items, headers={"Idempotency-Key": "batch"}).json()
    again = room.api.post("/events/batch", json=items, headers={"Idempotency-Key": "batch"}).json()
    assert [item["id"] for item in again["events"]] == [item["id"] for item in first["events"]]
    assert events(room) == 5


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        (b"{", 400, None),
        (b"[]", 422, ""),
        (b'{"type":"a.b"}', 422, ""),
        (b'{"type":"a.b","data":1,"tpye":2}', 400, "/tpye"),
        (b'{"type":"a b","data":1}', 422, "/type"),
        (b'{"type":"hub.x","data":1}', 422, "/type"),
        (b'{"type":"a.b","data":1,"subject":"a\\u0000"}', 422, "/subject"),
        (b'{"type":"a.b","data":"\\u0000"}', 422, "/data"),
        (b'{"type":"a.b","data":"\\ud800"}', 422, "/data"),
        (b'{"type":"a.b","data":"\xff"}', None, None),
        (b'{"type":"a.b","data":1,"time":"2026-01-01T00:00:00"}', 422, "/time"),
        (b'{"type":"a.b","data":1,"channels":["no spaces"]}', 422, "/channels"),
    ],
)
def test_a_bad_event_is_named_and_nothing_is_stored(
    room: Room, body: bytes, status: int | None, pointer: str | None
) -> None:
    answer = room.api.post("/events", content=body, headers=JSON)
    assert answer.status_code in ((400, 422) if status is None else (status,)), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    if pointer is not None:
        assert answer.json()["errors"][0]["pointer"] == pointer
    assert events(room) == 0


def test_an_escaped_backslash_before_u0000_is_no_control_character(room: Room) -> None:
    answer = room.api.post("/events", content=rb'{"type":"a.b","data":"\\u0000"}', headers=JSON)
    assert answer.status_code == 202


def test_one_bad_item_does_not_fail_its_neighbours(room: Room) -> None:
    body = b'{"events":[{"type":"a.b","data":1},{"type":"a.b","data":"\\ud800"},{"type":"a.b","data":"\\u0000"},{"type":"a.b","data":2}]}'
    answer = room.api.post("/events/batch", content=body, headers=JSON).json()
    assert [item["status"] for item in answer["events"]] == [202, 422, 422, 202]
    assert events(room) == 2


def test_too_large_is_413(room: Room) -> None:
    answer = room.api.post("/events", json={"type": "a.b", "data": "x" * 300_000})
    assert (answer.status_code, events(room)) == (413, 0)


def test_another_media_type_is_415(room: Room) -> None:
    answer = room.api.post("/events", content=b"<a/>", headers={"Content-Type": "text/xml"})
    assert answer.status_code == 415


CLOUD: dict[str, Any] = {
    "specversion": "1.0",
    "id": "c-1",
    "source": "/shop",
    "type": "a.b",
    "data": {"n": 1.0},
}


def _structured(room: Room) -> httpx.Response:
    return room.api.post(
        "/events",
        content=json.dumps({**CLOUD, "rank": 7}),
        headers={"Content-Type": "application/cloudevents+json"},
    )


def _binary(room: Room) -> httpx.Response:
    heads = {
        "ce-specversion": "1.0",
        "ce-id": "c-1",
        "ce-source": "/shop",
        "ce-type": "a.b",
        "ce-rank": "7",
        **JSON,
    }
    return room.api.post("/events", content=b'{"n": 1.0}', headers=heads)


def _batched(room: Room) -> httpx.Response:
    return room.api.post(
        "/events/batch",
        content=json.dumps([{**CLOUD, "rank": 7}]),
        headers={"Content-Type": "application/cloudevents-batch+json"},
    )


@pytest.mark.parametrize("send", [_structured, _binary, _batched])
def test_a_cloudevent_is_taken_in_every_content_mode(room: Room, receiver: ReceiverThread, send: Any) -> None:
    room.subscribe(receiver.url("/hook"))
    assert send(room).status_code == 202
    (got,) = receiver.wait_for(1, "/hook")
    body = json.loads(got.body)
    assert (body["type"], body["source"], body["data"]) == ("a.b", "/shop", {"n": 1.0})
    assert str(body["extensions"]["rank"]) == "7"
    assert room.rows("select client_id from event where env = %s", room.env) == [("c-1",)]


def test_the_traceparent_reaches_the_receiver(room: Room, receiver: ReceiverThread) -> None:
    room.subscribe(receiver.url("/hook"))
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    room.api.post("/events", json={"type": "a.b", "data": 1}, headers={"traceparent": trace})
    (got,) = receiver.wait_for(1, "/hook")
    assert got.headers["traceparent"] == trace


def test_a_revoked_key_is_refused_at_once(room: Room) -> None:
    made = room.api.post("/keys", json={"name": "short-lived", "scopes": ["events:write"]}).json()
    event = {"type": "a.b", "data": 1}
    with room.hub.client(made["key"]) as partner:
        assert partner.post("/events", json=event).status_code == 202
        assert room.api.delete(f"/keys/{made['id']}").status_code == 204
        assert partner.post("/events", json=event).status_code == 401
    assert events(room) == 1


def test_a_key_without_the_scope_is_refused(room: Room) -> None:
    with room.hub.client(room.key_for(scopes=EVERYTHING - {"events:write"})) as partner:
        assert partner.post("/events", json={"type": "a.b", "data": 1}).status_code == 403


def test_a_rate_limit_is_told_and_kept(room: Room) -> None:
    with room.hub.client(room.key_for(rate=5)) as partner:
        answers = [partner.post("/events", json={"type": "a.b", "data": n}) for n in range(8)]
    assert [answer.status_code for answer in answers][:5] == [202] * 5
    limited = answers[-1]
    assert limited.status_code == 429
    assert int(limited.headers["retry-after"]) >= 1
    assert answers[0].headers["ratelimit-policy"].endswith("q=5;w=1")
    assert answers[0].headers["ratelimit"].split(";")[1] == "r=4"


def test_publish_right_after_subscribing_matches_and_after_deleting_nothing_comes(
    room: Room, receiver: ReceiverThread
) -> None:
    for number in range(10):
        made = room.subscribe(receiver.url(f"/{number}"), "a.*")
        room.post("a.b")
        receiver.wait_for(1, f"/{number}")
        assert room.api.delete(f"/subscriptions/{made['id']}").status_code == 204
    room.post("a.b")
    wait_until(
        lambda: room.rows("select 1 from routed where shard = %s and cardinality(unmatched) > 0", room.shard)
    )
    assert len(receiver.requests()) == 10


def test_an_event_of_a_consumer_reaches_its_subscriptions_and_the_environments_own(
    room: Room, receiver: ReceiverThread
) -> None:
    for uid in ("acme", "bolt"):
        assert room.api.post("/consumers", json={"uid": uid}).status_code == 201
    room.subscribe(receiver.url("/acme"), consumer="acme")
    room.subscribe(receiver.url("/bolt"), consumer="bolt")
    room.subscribe(receiver.url("/all"))
    room.post(consumer="acme")
    room.post()
    receiver.wait_for(2, "/all")
    receiver.wait_for(1, "/acme")
    assert receiver.requests("/bolt") == []
    assert len(receiver.requests("/acme")) == 1


def test_channels_narrow_what_comes(room: Room, receiver: ReceiverThread) -> None:
    room.subscribe(receiver.url("/eu"), channels=["eu"])
    room.subscribe(receiver.url("/all"))
    room.post(channels=["eu", "vip"])
    room.post(channels=["us"])
    room.post()
    receiver.wait_for(3, "/all")
    receiver.wait_for(1, "/eu")
    assert len(receiver.requests("/eu")) == 1
