"""The log through the API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hub.subscriptions.models import Subscription
from tests.api.client import Api
from tests.api.shapes import conforms
from tests.cast import Cast
from tests.eventlog import rows

NOW = datetime.now(UTC)
NEW = {"url": "https://hooks.example.com/", "patterns": ["order.*"]}


def subscribe(api: Api) -> Subscription:
    return Subscription.objects.get(uid=api.post("/subscriptions", NEW).json()["id"])


def test_an_event_shows_its_data_digit_by_digit_and_how_it_stands(cast: Cast, alice: Api) -> None:
    a, b = subscribe(alice), subscribe(alice)
    raw = (
        b'{"price":1.10,"big":123456789012345678901234567890,"far":1e999,"deep":'
        + b"[" * 900
        + b"]" * 900
        + b"}"
    )
    event = rows.event(
        cast.alice.live, data=raw, source="shop", subject="o-1", client_id="mine", channels=["eu"],
        time=NOW - timedelta(days=1), extensions='{"partitionkey":"x"}', trace="00-" + "a" * 32 + "-" + "b" * 16 + "-01",
    )  # fmt: skip
    rows.dead(a, event)
    rows.parcel(b, [event])
    rows.routed(event.shard, 1, prev=0, upto=event.seq)
    answer = alice.get(f"/events/{event.id}")
    assert raw in answer.content
    small = rows.event(cast.alice.live, consumer=cast.acme)
    body = conforms(alice.get(f"/events/{small.id}"), "events_get")
    assert (body["routing"], body["consumer"], body["data"]) == ("pending", cast.acme.public_id, {"n": 1.10})
    assert body["deliveries"] == {"total": 0, "has_more": False, "states": {}}
    listed = conforms(alice.get("/events?subject=o-1"), "events_list")["data"][0]
    assert listed == {
        "id": event.id,
        "type": "order.created",
        "accepted_at": listed["accepted_at"],
        "time": (NOW - timedelta(days=1)).isoformat().replace("+00:00", "Z"),
        "source": "shop",
        "subject": "o-1",
        "consumer": None,
        "channels": ["eu"],
        "client_id": "mine",
        "origin": "api",
        "size": len(raw),
        "shard": event.shard,
        "seq": event.seq,
        "traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01",
        "extensions": {"partitionkey": "x"},
    }
    assert b'"routing":"routed","deliveries":{"total":2' in answer.content


def test_what_nobody_had_subscribed_to_says_so(cast: Cast, alice: Api) -> None:
    event = rows.event(cast.alice.live)
    rows.routed(event.shard, 1, prev=0, upto=event.seq, unmatched=[event.seq])
    assert alice.get(f"/events/{event.id}").json()["routing"] == "unmatched"


def test_lists_are_narrowed_and_paged(cast: Cast, alice: Api) -> None:
    events = [
        rows.event(cast.alice.live, at=NOW - timedelta(hours=n), type="order.paid" if n % 2 else "user.made")
        for n in range(6)
    ]
    seen, path = [], "/events?limit=2"
    while path:
        page = conforms(alice.get(path), "events_list")
        seen += [row["id"] for row in page["data"]]
        path = f"/events?limit=2&cursor={page['next_cursor']}" if page["has_more"] else ""
    assert seen == [event.id for event in events]

    def listed(query: str) -> list[int]:
        found = [row["id"] for row in alice.get(f"/events?{query}").json()["data"]]
        return [number for number, event in enumerate(events) if event.id in found]

    assert listed("type=order.paid") == listed("type=order.*") == [1, 3, 5]
    assert listed("since=150m") == [0, 1, 2]
    moment = (NOW - timedelta(minutes=150)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert listed(f"until={moment}") == [3, 4, 5]
    assert listed(f"since={moment}&until=30m") == [1, 2]
    assert listed("consumer=acme") == []


@pytest.mark.parametrize(
    "query",
    [
        "type=", "type=or*der", "type=a..b", "since=yesterday", "since=2026-02-30T00:00:00Z", "since=24", "until=",
        "since=2026-01-01T00:00:00", "since=0001-01-01T00:00:00%2B23:00", "subject=" + "x" * 257, "cursor=x",
    ],
)  # fmt: skip
def test_a_wrong_filter_is_refused(alice: Api, query: str) -> None:
    answer = alice.get(f"/events?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad-request")
    assert answer.json()["errors"][0]["parameter"] == query.partition("=")[0]


def test_a_shard_is_read_by_offset_to_its_end_and_on(cast: Cast, alice: Api) -> None:
    shard = cast.alice.live.shard
    assert shard in conforms(alice.get("/events/shards"), "events_shards")["data"]
    events = [rows.event(cast.alice.live) for _ in range(3)]
    page = conforms(alice.get(f"/events/log?shard={shard}&limit=2"), "events_log")
    assert [(row["seq"], row["data"]) for row in page["data"]] == [
        (row.seq, {"n": 1.1}) for row in events[:2]
    ]
    assert (page["next_after"], page["has_more"]) == (events[1].seq, True)
    page = alice.get(f"/events/log?shard={shard}&after={page['next_after']}").json()
    assert ([row["seq"] for row in page["data"]], page["has_more"]) == ([events[2].seq], False)
    page = alice.get(f"/events/log?shard={shard}&after={page['next_after']}").json()
    assert page == {"data": [], "next_after": events[2].seq, "has_more": False}


@pytest.mark.parametrize(
    "query", ["", "shard=64", "shard=-1", "shard=x", "shard=1&after=-1", "shard=1&after=" + "9" * 19]
)
def test_a_wrong_offset_is_refused(alice: Api, query: str) -> None:
    assert alice.get(f"/events/log?{query}").status_code == 400


@pytest.mark.parametrize(
    "id", ["evt_", "evt_1", "x", "evt_" + "z" * 26, "dlv_01h455vb4pex5vsknk084sn02q", "batch1"]
)
def test_what_names_no_event_is_not_found(alice: Api, id: str) -> None:
    assert alice.get(f"/events/{id}").status_code == 404
    assert alice.get(f"/events/{id}/deliveries").status_code == 404


def test_events_are_taken_in_elsewhere(alice: Api) -> None:
    assert (alice.post("/events", {}).status_code, alice.post("/events", {})["Allow"]) == (
        405,
        "GET, HEAD, POST",
    )
    for method in ("GET", "POST", "DELETE"):
        answer = alice(method, "/events/batch")
        assert (answer.status_code, answer["Allow"]) == (405, "POST")
