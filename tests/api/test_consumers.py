"""Consumers through the API, by either of their names."""

from __future__ import annotations

from typing import Any

import pytest

from hub.subscriptions.models import Subscription
from hub.tenants.models import Consumer
from tests.api.client import Api
from tests.cast import Cast


def test_a_consumer_answers_to_both_of_its_names(cast: Cast, alice: Api) -> None:
    answer = alice.post("/consumers", {"uid": "shop@7:eu", "name": "Shop", "metadata": {"plan": "pro"}})
    made = answer.json()
    assert (answer.status_code, answer["ETag"]) == (201, '"v1"')
    assert alice.get("/consumers/shop@7:eu").json() == alice.get(answer["Location"]).json() == made
    assert made["metadata"] == {"plan": "pro"}
    assert made["limits"] == {}
    assert [row["uid"] for row in alice.get("/consumers?uid=acme").json()["data"]] == ["acme"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"uid": ""}, "/uid"),
        ({"uid": "a b"}, "/uid"),
        ({"uid": "con_1"}, "/uid"),
        ({"uid": "x" * 129}, "/uid"),
        ({"uid": "x\n"}, "/uid"),
        ({"uid": 7}, "/uid"),
        ({"uid": "x", "name": "a\x00b"}, "/name"),
        ({"uid": "x", "metadata": []}, "/metadata"),
        ({"uid": "x", "metadata": {"a": "b" * 8192}}, "/metadata"),
        ({"uid": "x", "limits": {"subscriptions": -1}}, "/limits/subscriptions"),
        ({"uid": "x", "limits": {"subscriptions": 1.5}}, "/limits/subscriptions"),
        ({"uid": "x", "limits": {"events_per_second": 0}}, "/limits/events_per_second"),
    ],
)
def test_a_wrong_value_is_named(alice: Api, body: dict[str, Any], pointer: str) -> None:
    answer = alice.post("/consumers", body)
    assert answer.status_code == 422, answer.content
    assert {error["pointer"] for error in answer.json()["errors"]} == {pointer}
    assert Consumer.objects.count() == 2


def test_a_uid_is_there_once_until_it_is_deleted(alice: Api) -> None:
    assert alice.post("/consumers", {"uid": "acme"}).status_code == 409
    assert alice.patch("/consumers/globex", {"uid": "acme"}).status_code == 409
    assert alice.delete("/consumers/acme").status_code == 204
    assert alice.post("/consumers", {"uid": "acme"}).status_code == 201
    assert Consumer.objects.filter(uid="acme").count() == 2


def test_a_deleted_consumer_takes_its_subscriptions_and_keys_along(alice: Api, acme: Api) -> None:
    new = {"url": "https://hooks.example.com/", "patterns": ["*"]}
    theirs = acme.post("/subscriptions", new).json()["id"]
    own = alice.post("/subscriptions", new).json()["id"]
    version = alice.get("/consumers/acme")["ETag"]
    assert alice.delete("/consumers/acme", if_match='"v9"').status_code == 412
    assert alice.delete("/consumers/acme", if_match=version).status_code == 204
    assert alice.get("/consumers/acme").status_code == 404
    assert acme.get("/subscriptions").status_code == 401
    assert alice.get(f"/subscriptions/{theirs}").status_code == 404
    assert alice.get(f"/subscriptions/{own}").status_code == 200
    assert Subscription.objects.get(uid=theirs).deleted_at is not None


def test_a_consumers_key_reads_itself_and_changes_nothing(cast: Cast, acme: Api) -> None:
    assert [row["uid"] for row in acme.get("/consumers").json()["data"]] == ["acme"]
    assert acme.get("/consumers/acme").status_code == 200
    assert acme.get("/consumers/globex").status_code == 404
    assert acme.patch("/consumers/acme", {"limits": {}}).status_code == 403
    assert acme.delete("/consumers/acme").status_code == 403


def test_pages_follow_one_another_without_gaps(alice: Api) -> None:
    for number in range(5):
        alice.post("/consumers", {"uid": f"c{number}"})
    seen, path = [], "/consumers?limit=3"
    while path:
        page = alice.get(path).json()
        seen += [row["uid"] for row in page["data"]]
        assert page["has_more"] == (page["next_cursor"] is not None)
        path = f"/consumers?limit=3&cursor={page['next_cursor']}" if page["has_more"] else ""
    assert seen == ["c4", "c3", "c2", "c1", "c0", "globex", "acme"]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "limit=", "limit=%C2%B2", "cursor=x", "cursor="]
)
def test_a_wrong_page_is_refused(alice: Api, query: str) -> None:
    answer = alice.get(f"/consumers?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad-request")
