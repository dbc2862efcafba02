"""Sinks over the API: what is shown, what is refused, and who may; and `simulate` of a subscription."""

from __future__ import annotations

from typing import Any

import pytest

from hub.sinks.models import Sink
from hub.subscriptions.models import Subscription
from tests.api.client import Api
from tests.cast import Cast

NEW = {"url": "https://hooks.example.com/", "patterns": ["*"]}


@pytest.fixture
def tester(cast: Cast) -> Api:
    return Api(cast.alice.test_key)


def test_a_sink_is_made_with_and_without_a_body_once_a_key(tester: Api) -> None:
    made = tester.post("/sinks")
    assert made.status_code == 201
    body = made.json()
    assert made["Location"] == f"/api/v1/sinks/{body['id']}"
    assert (body["id"][:4], body["version"]) == ("snk_", 1)
    assert tester.get(f"/sinks/{body['id']}").json() == body
    again = [tester.post("/sinks", {"name": "x"}, idempotency_key="one").json() for _ in range(2)]
    assert again[0] == again[1]
    assert [row["id"] for row in tester.get("/sinks").json()["data"]] == [again[0]["id"], body["id"]]


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({"respond": {"status": 100}}, 422, "/respond/status"),
        ({"respond": {"status": 204, "body": "x"}}, 422, "/respond/body"),
        ({"respond": {"headers": {"Set-Cookie": "a=b"}}}, 422, "/respond/headers"),
        ({"respond": {"body": "ü" * 3000}}, 422, "/respond/body"),
        ({"respond": None}, 422, "/respond"),
        ({"respond": {"delay": 1}}, 400, "/delay"),
        ({"nmae": "x"}, 400, "/nmae"),
        ({"token": "x" * 32}, 400, "/token"),
    ],
)
def test_a_wrong_answer_is_refused_and_nothing_is_made(
    tester: Api, body: Any, status: int, pointer: str
) -> None:
    answer = tester.post("/sinks", body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (status, pointer)
    assert Sink.objects.count() == 0


def test_scopes_are_those_of_subscriptions(cast: Cast, tester: Api) -> None:
    sink = tester.post("/sinks").json()["id"]
    reads = Api(tester.post("/keys", {"scopes": ["subscriptions:read"]}).json()["key"])
    for path in ("/sinks", f"/sinks/{sink}", f"/sinks/{sink}/requests"):
        assert reads.get(path).status_code == 200
    for method, path in (("POST", "/sinks"), ("PATCH", f"/sinks/{sink}"), ("DELETE", f"/sinks/{sink}"),
                         ("DELETE", f"/sinks/{sink}/requests")):  # fmt: skip
        assert reads(method, path, {}).status_code == 403
    other = Api(tester.post("/keys", {"scopes": ["events:write"]}).json()["key"])
    assert other.get(f"/sinks/{sink}").status_code == 403
    assert Api(cast.acme_key).get("/sinks").status_code == 403


def test_etags_guard_a_sink(tester: Api) -> None:
    sink = tester.post("/sinks").json()["id"]
    first = tester.get(f"/sinks/{sink}")["ETag"]
    assert tester.patch(f"/sinks/{sink}", {"name": "a"}, if_match=first).json()["version"] == 2
    assert tester.patch(f"/sinks/{sink}", {"name": "b"}, if_match=first).status_code == 412
    assert tester.delete(f"/sinks/{sink}", if_match=first).status_code == 412
    assert tester.delete(f"/sinks/{sink}").status_code == 204
    assert tester.get(f"/sinks/{sink}").status_code == 404


def test_simulate_is_set_shown_and_taken_back_in_a_test_environment(tester: Api) -> None:
    made = tester.post("/subscriptions", {**NEW, "simulate": {"status": 429, "retry_after_s": 3}}).json()
    whole = {"status": 429, "latency_ms": 0, "reset": False, "slow_body": False, "probability": 1.0, "first": None,
             "retry_after_s": 3}  # fmt: skip
    assert made["simulate"] == whole
    path = f"/subscriptions/{made['id']}"
    # What was shown can be given back, and is no change.
    assert tester.patch(path, {"simulate": whole}).json()["version"] == 1
    assert tester.patch(path, {"name": "x"}).json()["simulate"] == whole
    assert tester.patch(path, {"simulate": {"reset": True}}).json()["simulate"]["status"] is None
    assert tester.patch(path, {"simulate": None}).json()["simulate"] is None
    changes = [row["changes"] for row in tester.get("/audit").json()["data"] if "simulate" in row["changes"]]
    assert [change["simulate"][1] and change["simulate"][1]["status"] for change in changes] == [
        None,
        None,
        429,
    ]


@pytest.mark.parametrize(
    ("simulate", "words"),
    [
        ({"status": 503, "reset": True}, "one kind of misbehaviour"),
        ({}, "must say what to do"),
        ({"status": 200, "retry_after_s": 1}, "429 and 503"),
        ({"status": 99}, "greater than or equal to 100"),
        ({"status": 503, "probability": 2}, "less than or equal to 1"),
    ],
)
def test_what_makes_no_sense_is_422_and_changes_nothing(tester: Api, simulate: Any, words: str) -> None:
    answer = tester.post("/subscriptions", {**NEW, "simulate": simulate})
    assert answer.status_code == 422
    assert words in answer.json()["detail"]
    assert Subscription.objects.count() == 0


def test_a_live_environment_refuses_to_simulate(alice: Api) -> None:
    answer = alice.post("/subscriptions", {**NEW, "simulate": {"status": 503}})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/simulate")
    assert alice.post("/subscriptions", {**NEW, "simulate": None}).status_code == 201
    assert alice.post("/sinks").status_code == 422
