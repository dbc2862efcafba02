"""The hub's own test endpoint: what it shows of a delivery and of a stranger's request, how it answers, and its limits."""

from __future__ import annotations

import json
import socket
import time
from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest

from hub.core.signing import verify
from hub.delivery.outcome import Reason
from tests.journeys.room import Room, enter, wait_until

DELIVERED, DEAD = 1, 2


def make(room: Room, **fields: Any) -> dict[str, Any]:
    answer = room.api.post("/sinks", json=fields)
    assert answer.status_code == 201, answer.text
    return answer.json()


def caught(room: Room, sink: dict[str, Any], **query: Any) -> list[dict[str, Any]]:
    answer = room.api.get(f"/sinks/{sink['id']}/requests", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def headers(request: dict[str, Any]) -> dict[str, str]:
    return {header["name"]: header["value"] for header in request["headers"]}


@pytest.fixture
def stranger(room: Room) -> Iterator[Room]:
    made = enter(room.hub)
    yield made
    made.leave()


def test_a_sink_shows_a_signed_delivery_within_a_second(room: Room) -> None:
    sink = make(room, name="mine")
    auth = {"kind": "bearer", "token": "t0psecret"}
    made = room.subscribe(sink["url"], headers={"X-Team": "blue-secret"}, auth=auth)
    event = room.post("order.created", {"name": "Zoë"})
    began = time.monotonic()
    (got,) = wait_until(lambda: caught(room, sink), what="a request")
    assert time.monotonic() - began < 1.0
    assert (got["via"], got["method"], got["signature"], got["truncated"]) == (
        "delivery",
        "POST",
        "verified",
        False,
    )
    assert (got["event"], got["body_base64"]) == (event, None)
    shown = headers(got)
    assert got["webhook_id"] == shown["webhook-id"]
    assert shown["content-type"] == "application/json"
    assert shown["host"] == sink["url"].split("/")[2]
    verify(shown, got["body"].encode(), [made["secret"]], now=time.time())
    assert json.loads(got["body"])["data"] == {"name": "Zoë"}
    assert (shown["authorization"], shown["x-team"]) == ("(hidden)", "(hidden)")
    kept = room.rows("select string_agg(headers::text, '') from sinks_caught")[0][0]
    assert "t0psecret" not in kept
    assert "blue-secret" not in kept
    assert [row[1:] for row in room.settled(made["id"], 1)] == [(1, 200, Reason.delivered, DELIVERED)]
    (delivery,) = room.api.get(f"/events/{event}/deliveries").json()["data"]
    (attempt,) = room.api.get(f"/deliveries/{delivery['id']}/attempts").json()["data"]
    assert (attempt["sent"], attempt["detail"]) == (True, "caught by the hub's own sink; no network was used")


def test_a_large_delivery_is_cut_but_its_signature_is_judged_whole(room: Room) -> None:
    sink = make(room)
    room.subscribe(sink["url"])
    room.post(data={"text": "xü" * 60_000})
    (got,) = wait_until(lambda: caught(room, sink), what="a request")
    assert (got["signature"], got["truncated"], got["size"] > 180_000) == ("verified", True, True)
    assert 65_533 <= len(got["body"].encode()) <= 65_536
    assert got["body_base64"] is None


def test_a_session_that_was_cut_is_made_anew_and_no_delivery_waits_for_it(room: Room) -> None:
    sink = make(room)
    made = room.subscribe(sink["url"])
    room.post()
    room.settled(made["id"], 1)
    cut = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'trunkline engine sinks'"
    assert room.rows(cut) == [(True,)]
    room.post()
    assert [row[2:] for row in room.settled(made["id"], 2, seconds=5)] == [(200, 0, DELIVERED)] * 2
    assert len(caught(room, sink)) == 2


def test_told_to_answer_500_the_delivery_is_retried_until_it_answers_well(room: Room) -> None:
    respond = {"status": 500, "body": "not today", "headers": {"X-Why": "test"}}
    sink = make(room, respond=respond)
    made = room.subscribe(sink["url"], retry_schedule=[1] * 10)
    event = room.post()
    room.settled(made["id"], 2)
    (delivery,) = room.api.get(f"/events/{event}/deliveries").json()["data"]
    first = room.api.get(f"/deliveries/{delivery['id']}/attempts").json()["data"][-1]
    assert (first["reason"]["code"], first["answer"]) == ("http-5xx", "not today")
    assert {"name": "X-Why", "value": "test"} in first["capture"]["headers"]
    answer = room.api.patch(f"/sinks/{sink['id']}", json={"respond": {}})
    assert answer.json()["respond"] == {"status": 200, "body": "", "headers": {}, "latency_ms": 0}
    wait_until(lambda: room.waiting(made["id"]) == 0, what="its end")
    rows = room.attempts(made["id"])
    assert [row[2] for row in rows] == [500] * (len(rows) - 1) + [200]
    got = caught(room, sink)
    assert len(got) == len(rows)
    assert {one["event"] for one in got} == {event}
    assert [headers(one)["trunkline-attempt"] for one in got] == [str(n) for n in range(len(rows), 0, -1)]


def test_a_slow_sink_runs_into_the_timeout_and_a_gone_one_answers_404(room: Room) -> None:
    sink = make(room, respond={"latency_ms": 5_000})
    made = room.subscribe(sink["url"], timeout_s=1, retry_schedule=[])
    room.post()
    assert [row[1:] for row in room.settled(made["id"], 1)] == [(1, 0, Reason.read_timeout, DEAD)]
    assert room.api.delete(f"/sinks/{sink['id']}").status_code == 204
    room.post()
    assert room.settled(made["id"], 2)[1][2:] == (404, Reason.http_404, DEAD)
    assert room.api.get(f"/sinks/{sink['id']}/requests").status_code == 404


def test_anybody_may_send_by_http_and_sees_nothing_of_what_is_kept(room: Room) -> None:
    sink = make(room, respond={"status": 202, "body": "<b>thanks</b>", "headers": {"Retry-After": "9"}})
    answer = httpx.post(
        f"{sink['url']}?a=1", content=b"\xff\x00\xfe", headers={"Authorization": "Bearer x", "X-A": "b"}
    )
    assert (answer.status_code, answer.text, answer.headers["retry-after"]) == (202, "<b>thanks</b>", "9")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["content-security-policy"].startswith("sandbox")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert httpx.get(sink["url"], headers={"webhook-id": "msg_nonsense"}).status_code == 202
    get, post = caught(room, sink)
    assert (get["method"], get["body"], get["webhook_id"], get["signature"]) == ("GET", "", None, None)
    assert (post["via"], post["method"], post["query"], post["size"]) == ("http", "POST", "a=1", 3)
    assert (post["body"], b64decode(post["body_base64"])) == (None, b"\xff\x00\xfe")
    assert headers(post)["x-a"] == "b"
    assert headers(post)["authorization"] == "(hidden)"
    for wrong in (
        sink["url"] + "x",
        sink["url"][:-1],
        sink["url"].rpartition("/")[0] + "/%00",
        sink["url"] + "/",
    ):
        assert httpx.get(wrong).status_code == 404
    assert len(caught(room, sink)) == 2


def test_a_signature_is_judged_wherever_the_request_comes_from(room: Room) -> None:
    sink = make(room)
    room.subscribe(sink["url"])
    room.post()
    (got,) = wait_until(lambda: caught(room, sink), what="a request")
    again = {name: value for name, value in headers(got).items() if name.startswith("webhook-")}
    assert httpx.post(sink["url"], content=got["body"], headers=again).status_code == 200
    assert httpx.post(sink["url"], content=got["body"] + " ", headers=again).status_code == 200
    assert [one["signature"] for one in caught(room, sink)] == ["wrong", "verified", "verified"]


def test_another_environment_can_neither_read_it_nor_deliver_to_it(room: Room, stranger: Room) -> None:
    sink = make(room)
    for method, path, body in (
        ("GET", "", None),
        ("PATCH", "", {"respond": {"status": 500}}),
        ("DELETE", "", None),
        ("GET", "/requests", None),
        ("DELETE", "/requests", None),
    ):
        answer = stranger.api.request(method, f"/sinks/{sink['id']}{path}", json=body)
        assert answer.status_code == 404, (method, path)
    refused = stranger.api.post("/subscriptions", json={"url": sink["url"], "patterns": ["*"]})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/url")
    made = stranger.subscribe("http://127.0.0.1:9/", retry_schedule=[])
    assert stranger.api.patch(f"/subscriptions/{made['id']}", json={"url": sink["url"]}).status_code == 422
    # Even if such a row were there, the engine gives nothing to a sink of others, and does not call the address.
    with psycopg.connect(room.hub.database) as session:
        _point(session, made["id"], sink["url"])
    stranger.post()
    assert stranger.settled(made["id"], 1)[0][2:] == (404, Reason.http_404, DEAD)
    assert caught(room, sink) == []


def _point(session: Any, subscription: str, url: str) -> None:
    """Behind the back of every check."""
    (generation,) = session.execute(
        "update tenants_generation set value = value + 1 where name = 'subscriptions' returning value"
    ).fetchone()
    session.execute(
        "update subscriptions_subscription set url = %s, generation = %s where uid = %s",
        (url, generation, subscription),
    )


def test_pages_of_requests_follow_each_other_and_can_be_emptied(room: Room) -> None:
    sink = make(room)
    for number in range(5):
        httpx.post(sink["url"], content=str(number))
    first = room.api.get(f"/sinks/{sink['id']}/requests", params={"limit": 3}).json()
    assert [one["body"] for one in first["data"]] == ["4", "3", "2"]
    rest = room.api.get(
        f"/sinks/{sink['id']}/requests", params={"limit": 3, "cursor": first["next_cursor"]}
    ).json()
    assert ([one["body"] for one in rest["data"]], rest["has_more"]) == (["1", "0"], False)
    assert room.api.delete(f"/sinks/{sink['id']}/requests").status_code == 204
    assert caught(room, sink) == []
    entry = room.api.get("/audit").json()["data"][0]
    assert (entry["action"], entry["changes"]) == ("sink.emptied", {"requests": [5, 0]})


def test_limits_hold_for_size_rate_and_number(room: Room) -> None:
    sink = make(room)
    assert httpx.post(sink["url"], content=b"x" * (512 * 1024 + 1)).status_code == 413

    def chunks() -> Iterator[bytes]:
        yield from (b"x" * 65_536 for _ in range(9))

    assert httpx.post(sink["url"], content=chunks()).status_code == 413
    assert httpx.post(sink["url"], content=b"x" * 100_000).status_code == 200
    (got,) = caught(room, sink)
    assert (got["size"], len(got["body"]), got["truncated"]) == (100_000, 65_536, True)
    fill(room, sink, 199)
    refused = httpx.post(sink["url"], content=b"one too many")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
    assert refused.json()["code"] == "rate-limited"
    made = room.subscribe(sink["url"], retry_schedule=[3600])
    room.post()
    assert room.settled(made["id"], 1)[0][2:] == (429, Reason.http_429, 0)
    assert len(caught(room, sink, limit=200)) == 200
    for _ in range(9):
        make(room)
    full = room.api.post("/sinks", json={})
    assert (full.status_code, full.json()["code"]) == (409, "conflict")


def fill(room: Room, sink: dict[str, Any], count: int) -> None:
    with psycopg.connect(room.hub.database) as session:
        session.execute(
            "insert into sinks_caught (uid, sink_id, at, via, method, query, headers, body, size, truncated, message_id,"
            " signature) select 'srq_' || n, s.id, clock_timestamp(), 'http', 'POST', '', '[]', '', 0, false, '', ''"
            " from sinks_sink s, generate_series(1, %s) n where s.uid = %s",
            (count, sink["id"]),
        )


def test_slow_sinks_hold_up_no_page(room: Room) -> None:
    sink = make(room, respond={"latency_ms": 3_000})
    with httpx.Client() as client:
        # More than the pages that are made at a time.
        open_ = [_start(sink["url"]) for _ in range(8)]
        wait_until(lambda: len(caught(room, sink)) == 8, seconds=2.5, what="all eight")
        assert client.get(f"{room.hub.url}/problems/invalid").status_code == 200
        assert [_status(one) for one in open_] == [200] * 8


def _start(url: str) -> socket.socket:
    host, port = url.split("/")[2].split(":")
    connection = socket.create_connection((host, int(port)), timeout=10)
    path = "/" + url.split("/", 3)[3]
    connection.sendall(f"POST {path} HTTP/1.1\r\nhost: {host}:{port}\r\ncontent-length: 0\r\n\r\n".encode())
    return connection


def _status(connection: socket.socket) -> int:
    with connection:
        return int(connection.recv(64).split()[1])
