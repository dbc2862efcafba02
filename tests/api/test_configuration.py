"""A configuration goes from one environment to another, by a comparison first; twice is once, and a bad one changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from hub.insights.models import Projection
from hub.subscriptions.models import Subscription
from hub.tenants.models import AuditEntry, Consumer
from tests.api.client import Api
from tests.cast import Cast

HOOK = "https://hooks.example.com/in"


@pytest.fixture
def full(alice: Api) -> dict[str, Any]:
    """The live environment has something of everything; its document."""
    alice.post(
        "/consumers",
        {"uid": "shop", "name": "Shop", "metadata": {"plan": "pro"}, "limits": {"subscriptions": 3}},
    )
    alice.post("/projections", {"pattern": "order.*", "semantics": "merge-patch", "keys": ["customer.id"]})
    alice.post("/subscriptions", {"url": HOOK, "patterns": ["order.*"], "name": "all orders", "headers": {"x-api-key": "s3cret"},
                                  "auth": {"kind": "bearer", "token": "t0ken"}, "retry_schedule": [1, 2]})  # fmt: skip
    alice.post("/subscriptions", {"url": HOOK, "patterns": ["*"], "consumer": "shop", "channels": ["eu"]})
    answer = alice.get("/configuration")
    assert answer.status_code == 200
    return answer.json()


@pytest.fixture
def test_api(cast: Cast) -> Api:
    return Api(cast.alice.test_key)


def apply(api: Api, document: Any, **more: Any) -> Any:
    answer = api.post("/configuration/apply", {"document": document, **more})
    assert answer.status_code == 200, answer.content
    return answer.json()["changes"]


def test_an_export_has_everything_but_secrets(full: dict[str, Any]) -> None:
    assert [row["uid"] for row in full["consumers"]] == ["acme", "globex", "shop"]
    first = full["subscriptions"][0]
    assert first["sealed"] == ["header x-api-key", "auth bearer"]
    assert (first["retry_schedule"], first["consumer"]) == ([1, 2], None)
    assert "s3cret" not in str(full)
    assert "t0ken" not in str(full)
    assert "whsec_" not in str(full)


def test_it_goes_to_another_environment_and_a_second_time_there_is_nothing_to_do(
    cast: Cast, full: dict[str, Any], test_api: Api
) -> None:
    shown = test_api.post("/configuration/diff", {"document": full}).json()
    assert [(change["op"], change["section"]) for change in shown["changes"]] == [
        *[("create", "consumers")] * 3, ("create", "projections"), *[("create", "subscriptions")] * 2,
    ]  # fmt: skip
    assert not Consumer.objects.filter(environment=cast.alice.test).exists()
    assert apply(test_api, full, digest=shown["digest"]) == shown["changes"]
    assert apply(test_api, full) == []
    there = test_api.get("/configuration").json()
    for one in full["subscriptions"]:
        one.pop("sealed", None)
    assert there["subscriptions"] == full["subscriptions"]
    assert {name: there[name] for name in ("consumers", "projections", "environment")} == {
        name: full[name] for name in ("consumers", "projections", "environment")
    }
    assert AuditEntry.objects.filter(environment=cast.alice.test, action="configuration.applied").count() == 1


def test_what_a_document_lacks_stays_unless_it_is_pruned(
    cast: Cast, alice: Api, full: dict[str, Any]
) -> None:
    less = {
        "version": 1,
        "subscriptions": [{**full["subscriptions"][0], "url": "https://new.example.com/"}],
        "consumers": [],
    }
    assert [(change["op"], change["fields"]) for change in apply(alice, less)] == [
        ("update", {"url": [HOOK, "https://new.example.com/"]})
    ]
    assert Subscription.objects.filter(environment=cast.alice.live, deleted_at=None).count() == 2
    gone = apply(alice, less, prune=True)
    assert [(change["op"], change["section"], change["key"]) for change in gone] == [
        ("delete", "subscriptions", f"shop/{HOOK}"),
        *[("delete", "consumers", uid) for uid in ("shop", "globex", "acme")],
    ]
    assert Subscription.objects.filter(environment=cast.alice.live, deleted_at=None).count() == 1
    # A section that it doesn't have is never touched.
    assert Projection.objects.filter(environment=cast.alice.live).count() == 1


def test_a_bad_value_anywhere_changes_nothing(cast: Cast, test_api: Api) -> None:
    document = {"version": 1, "consumers": [{"uid": "new"}],
                "subscriptions": [{"url": "file:///etc/passwd", "patterns": ["*"]}]}  # fmt: skip
    answer = test_api.post("/configuration/apply", {"document": document})
    assert answer.status_code == 422
    assert not Consumer.objects.filter(environment=cast.alice.test).exists()
    for wrong in ([], {"version": 3}, {"version": 1, "subscriptions": [{"url": HOOK}]}):
        assert test_api.post("/configuration/diff", {"document": wrong}).status_code == 422
    for wrong in ({"consumers": [{"uid": 7}]}, {"subscriptions": [{"url": 5, "patterns": "x"}]},
                  {"projections": [{"pattern": "a", "semantics": "odd"}]}, {"environment": {"capture": 1}},
                  {"subscriptions": [{"url": HOOK, "patterns": ["*"], "timeout_s": "ten"}]}):  # fmt: skip
        answer = test_api.post("/configuration/apply", {"document": {"version": 1, **wrong}})
        assert answer.status_code == 422, (wrong, answer.content)


def test_what_was_shown_is_what_is_made(test_api: Api) -> None:
    document = {"version": 1, "consumers": [{"uid": "new"}]}
    digest = test_api.post("/configuration/diff", {"document": document}).json()["digest"]
    test_api.post("/consumers", {"uid": "new", "name": "Somebody was faster"})
    assert test_api.post("/configuration/apply", {"document": document, "digest": digest}).status_code == 409


def test_two_that_would_be_called_the_same_are_named_first(alice: Api, full: dict[str, Any]) -> None:
    for _ in range(2):
        alice.post("/subscriptions", {"url": HOOK, "patterns": ["*"], "name": "twin"})
    answer = alice.post("/configuration/diff", {"document": {"version": 1, "subscriptions": []}})
    assert answer.status_code == 409
    assert "twin" in answer.json()["detail"]
    assert alice.post("/configuration/diff", {"document": {"version": 1, "consumers": []}}).status_code == 200
