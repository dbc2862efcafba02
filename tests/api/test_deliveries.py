"""Deliveries, their attempts and commands through the API, without an engine: commands stay pending."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hub.delivery.outcome import Reason
from hub.eventlog.selectors import fetch
from hub.subscriptions.models import Subscription
from tests.api.client import Api
from tests.api.shapes import conforms
from tests.cast import Cast
from tests.eventlog import rows

NOW = datetime.now(UTC)
NEW = {
    "url": "https://hooks.example.com/", "patterns": ["order.*"], "headers": {"X-Team": "s3cret-head"},
    "auth": {"kind": "bearer", "token": "s3cret-token"},
}  # fmt: skip


@pytest.fixture
def sub(alice: Api) -> Subscription:
    return Subscription.objects.get(uid=alice.post("/subscriptions", NEW).json()["id"])


def commands() -> list[tuple[Any, ...]]:
    return fetch("select kind, sub, seq, run from command order by id", [])


def test_a_delivery_says_how_it_stands_and_what_to_do(cast: Cast, alice: Api, sub: Subscription) -> None:
    event = rows.event(cast.alice.live, subject="o-1")
    rows.attempt(
        sub,
        event,
        dns_us=10,
        connect_us=20,
        tls_us=30,
        first_us=40,
        total_us=50,
        size=300,
        answer=b"no \xff",
        detail="d",
    )
    rows.due(sub, event)
    id = event.delivery(sub)
    body = conforms(alice.get(f"/deliveries/{id}"), "deliveries_get")
    assert (body["id"], body["state"], body["event"], body["subscription"]) == (
        id,
        "retrying",
        event.id,
        sub.uid,
    )
    assert (body["attempts"], body["http"], body["run"], body["subject"], body["waits_since"]) == (
        1,
        500,
        0,
        "o-1",
        None,
    )
    assert body["next_at"] > body["at"]
    assert body["reason"] == {
        "code": "http-5xx",
        "sentence": Reason.http_5xx.sentence,
        "next_step": Reason.http_5xx.next_step,
    }
    last = body["last_attempt"]
    assert (last["number"], last["sent"], last["answer"], last["size"], last["detail"]) == (
        1,
        True,
        "no �",
        300,
        "d",
    )
    assert last["timing"] == {
        "dns_us": 10, "connect_us": 20, "tls_us": 30, "first_byte_us": 40, "total_us": 50,
    }  # fmt: skip
    assert last["capture"] is None


def test_attempts_show_what_was_kept_and_never_a_secret(cast: Cast, alice: Api, sub: Subscription) -> None:
    event = rows.event(cast.alice.live)
    for n in (1, 2):
        rows.attempt(sub, event, n=n)
        rows.capture(sub, event, n=n, body=b"x" * n, truncated=True)
    rows.due(sub, event, attempts=2)
    path = f"/deliveries/{event.delivery(sub)}"
    asked = conforms(alice.post(f"{path}/retry"), "deliveries_retry")
    answer = alice.get(f"{path}/attempts?limit=1")
    first = conforms(answer, "deliveries_attempts")
    assert [row["number"] for row in first["data"]] == [2]
    assert first["data"][0]["capture"] == {
        "request_headers": [
            {"name": "webhook-id", "value": "msg_1"},
            {"name": "webhook-signature", "value": "v1,abc"},
        ],
        "headers": [{"name": "content-type", "value": "text/plain"}],
        "body": "xx",
        "truncated": True,
    }
    assert first["commands"] == [asked]
    rest = alice.get(f"{path}/attempts?limit=1&cursor={first['next_cursor']}").json()
    assert ([row["number"] for row in rest["data"]], rest["has_more"]) == ([1], False)
    for secret in (b"s3cret-head", b"s3cret-token"):
        assert secret not in answer.content
    other = rows.event(cast.alice.live)
    rows.dead(sub, other)
    misplaced = f"/deliveries/{other.delivery(sub)}/attempts?cursor={first['next_cursor']}"
    assert alice.get(misplaced).status_code == 400


def test_lists_go_by_status_subscription_event_and_page(cast: Cast, alice: Api, sub: Subscription) -> None:
    events = [rows.event(cast.alice.live, at=NOW - timedelta(hours=6 - n)) for n in range(6)]
    rows.parcel(sub, events[:3])
    for event in events[3:]:
        rows.dead(sub, event)

    def listed(path: str) -> list[int]:
        found = []
        while path:
            page = conforms(alice.get(path), "deliveries_list")
            found += [row["id"] for row in page["data"]]
            separator = "&" if "?" in path else "?"
            base = path.partition(f"{separator}cursor=")[0]
            path = f"{base}&cursor={page['next_cursor']}" if page["has_more"] else ""
        return [[event.delivery(sub) for event in events].index(id) for id in found]

    assert listed("/deliveries?limit=2") == [5, 4, 3, 2, 1, 0]
    assert listed("/deliveries?limit=2&status=dead") == [5, 4, 3]
    assert listed("/deliveries?limit=2&status=waiting,held,retrying") == [2, 1, 0]
    assert listed(f"/deliveries?limit=1&subscription={sub.uid}&status=dead,waiting") == [5, 4, 3, 2, 1, 0]
    assert listed(f"/deliveries?limit=1&event={events[4].id}") == [4]
    assert listed("/deliveries?limit=2&type=order.created&since=270m") == [5, 4, 3, 2]
    page = conforms(alice.get(f"/events/{events[1].id}/deliveries?status=waiting"), "events_deliveries")
    assert [row["id"] for row in page["data"]] == [events[1].delivery(sub)]
    cursor = alice.get("/deliveries?limit=1&status=dead").json()["next_cursor"]
    assert alice.get(f"/deliveries?limit=1&cursor={cursor}").status_code == 400


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("status=", 400), ("status=lost", 400), ("status=dead,", 400), ("status=dead,%20held", 400), ("type=**", 400),
        ("since=1y", 400), ("event=evt_1", 404), ("subscription=sub_1", 404), ("subscription=", 404), ("subscription=é", 404),
        ("consumer=nobody", 404), ("state=dead", 400),
    ],
)  # fmt: skip
def test_a_wrong_filter_is_refused(alice: Api, query: str, status: int) -> None:
    assert alice.get(f"/deliveries?{query}").status_code == status


@pytest.mark.parametrize("kind", ["retry", "cancel", "requeue"])
def test_a_command_is_handed_in_and_can_be_followed(
    cast: Cast, alice: Api, sub: Subscription, kind: str
) -> None:
    event = rows.event(cast.alice.live)
    rows.dead(sub, event)
    answer = alice.post(f"/deliveries/{event.delivery(sub)}/{kind}", idempotency_key="once")
    body = conforms(answer, f"deliveries_{kind}")
    assert (answer.status_code, answer["Location"]) == (202, f"/api/v1/commands/{body['command']}")
    assert (body["kind"], body["status"], body["result"]) == (kind, "pending", None)
    assert body["actor"].startswith("key_")
    assert commands() == [(kind, sub.id, event.seq, 0)]
    rows.run("update command set applied_at = now(), result = 'queued as run 1'")
    again = alice.post(f"/deliveries/{event.delivery(sub)}/{kind}", idempotency_key="once")
    assert (again["Idempotent-Replayed"], again.json()["command"]) == ("true", body["command"])
    assert (again.json()["status"], again.json()["result"]) == ("done", "queued as run 1")
    assert conforms(alice.get(answer["Location"]), "commands_get") == again.json()
    assert len(commands()) == 1
    assert alice.post(f"/deliveries/{event.delivery(sub)}/{kind}", {"why": "x"}).status_code == 400
    entry = alice.get(f"/audit?action=delivery.{kind}").json()["data"][0]
    assert (entry["target"], entry["actor"]) == (event.delivery(sub), body["actor"])


def test_reading_needs_one_scope_and_commands_another(cast: Cast, alice: Api, sub: Subscription) -> None:
    event = rows.event(cast.alice.live)
    rows.dead(sub, event)
    reader = Api(alice.post("/keys", {"scopes": ["deliveries:read"]}).json()["key"])
    path = f"/deliveries/{event.delivery(sub)}"
    assert [reader.get(p).status_code for p in ("/deliveries", path, f"{path}/attempts")] == [200] * 3
    for refused in (
        f"{path}/retry",
        f"{path}/cancel",
        f"{path}/requeue",
        "/deliveries/requeue",
        "/deliveries/cancel",
    ):
        assert reader.post(refused).status_code == 403
    assert reader.get("/events").status_code == 403
    assert commands() == []


def test_many_are_requeued_or_cancelled_at_once(cast: Cast, alice: Api, sub: Subscription) -> None:
    events = [rows.event(cast.alice.live) for _ in range(5)]
    for event in events[:3]:
        rows.dead(sub, event)
    rows.parcel(sub, events[3:])
    made = alice.post(
        "/deliveries/requeue", {"subscription": sub.uid, "reason": "http-5xx", "since": "1h", "limit": 2}
    )
    assert (made.status_code, conforms(made, "deliveries_requeue_many")) == (
        202,
        {"queued": 2, "truncated": True},
    )
    made = alice.post("/deliveries/requeue", {"type": "order.*"})
    assert made.json() == {"queued": 1, "truncated": False}
    made = alice.post("/deliveries/cancel", {"subscription": sub.uid, "status": ["retrying"]})
    assert made.json() == {"queued": 0, "truncated": False}
    made = alice.post("/deliveries/cancel", {"subscription": sub.uid})
    assert conforms(made, "deliveries_cancel_many") == {"queued": 2, "truncated": False}
    assert sorted(commands()) == sorted(
        [("requeue", sub.id, event.seq, 0) for event in events[:3]]
        + [("cancel", sub.id, event.seq, 0) for event in events[3:]]
    )


@pytest.mark.parametrize(
    ("path", "body", "status", "pointer"),
    [
        ("requeue", {"reason": "sunspots"}, 422, "/reason"),
        ("requeue", {"type": "a..b"}, 422, "/type"),
        ("requeue", {"since": "yesterday"}, 422, "/since"),
        ("requeue", {"until": "2026-02-30T00:00:00Z"}, 422, "/until"),
        ("requeue", {"limit": 10_001}, 422, "/limit"),
        ("requeue", {"limit": 0}, 422, "/limit"),
        ("requeue", {"status": "dead"}, 400, "/status"),
        ("requeue", {"subscription": "sub_1"}, 404, None),
        ("cancel", {}, 422, "/subscription"),
        ("cancel", {"subscription": "sub_1"}, 404, None),
        ("cancel", {"subscription": "x", "status": ["dead"]}, 422, "/status/0"),
        ("cancel", {"subscription": "x", "status": []}, 422, "/status"),
    ],
)
def test_a_wrong_bulk_request_is_refused(
    alice: Api, path: str, body: dict[str, Any], status: int, pointer: str | None
) -> None:
    answer = alice.post(f"/deliveries/{path}", body)
    assert answer.status_code == status, answer.content
    if pointer is not None:
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert commands() == []
