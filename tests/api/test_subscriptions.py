"""Subscriptions through the API, from creation to the tombstone."""

from __future__ import annotations

from typing import Any

import pytest

from hub.core.signing import parse_secret
from hub.subscriptions.models import Subscription
from hub.tenants.models import AuditEntry
from tests.api.client import Api
from tests.cast import Cast

NEW = {"url": "https://hooks.example.com/in?x=1", "patterns": ["order.*"]}


def make(api: Api, **more: Any) -> dict[str, Any]:
    answer = api.post("/subscriptions", {**NEW, **more})
    assert answer.status_code == 201, answer.content
    return answer.json()


def test_a_new_subscription_shows_its_secret_once(alice: Api) -> None:
    answer = alice.post("/subscriptions", NEW)
    made = answer.json()
    assert answer.status_code == 201
    assert answer["ETag"] == '"v1"'
    assert answer["Location"] == f"/api/v1/subscriptions/{made['id']}"
    assert answer["Cache-Control"] == "no-store"
    assert parse_secret(made.pop("secret")).kind == "secret"
    read = alice.get(answer["Location"])
    assert read.json() == made
    assert made["state"] == "active"
    assert (made["parallelism"], made["timeout_s"], made["max_age_s"]) == (32, 15, 604800)
    assert made["created_at"].endswith("Z")


def test_headers_and_credentials_are_sealed_and_never_shown(alice: Api) -> None:
    auth = {"kind": "basic", "username": "hub", "password": "s3cret-pass"}
    made = make(alice, headers={"X-Team": "s3cret-head"}, auth=auth)
    assert made["header_names"] == ["X-Team"]
    assert made["auth"] == {"kind": "basic"}
    row = Subscription.objects.get()
    audit = str(list(AuditEntry.objects.values_list("changes", flat=True)))
    for secret in ("s3cret-pass", "s3cret-head", made["secret"]):
        assert secret not in audit
        assert secret.encode() not in bytes(row.headers_sealed) + bytes(row.auth_sealed)


@pytest.mark.parametrize(
    ("more", "pointer"),
    [
        ({"url": "http://hooks.example.com/"}, "/url"),
        ({"url": "https://10.0.0.1/"}, "/url"),
        ({"url": "https://user:pass@hooks.example.com/"}, "/url"),
        ({"patterns": []}, "/patterns"),
        ({"patterns": ["or*der"]}, "/patterns/0"),
        ({"channels": ["no spaces"]}, "/channels/0"),
        ({"headers": {"Host": "x"}}, "/headers"),
        ({"headers": {"X-A": "a\r\nX-B: b"}}, "/headers"),
        ({"auth": {"kind": "basic", "username": "a:b", "password": ""}}, "/auth"),
        ({"auth": {"kind": "none", "token": "x"}}, "/auth"),
        ({"rate_limit": 0}, "/rate_limit"),
        ({"parallelism": "8"}, "/parallelism"),
        ({"timeout_s": 61}, "/timeout_s"),
        ({"max_age_s": 59}, "/max_age_s"),
        ({"retry_schedule": [0]}, "/retry_schedule/0"),
        ({"ordering": "random"}, "/ordering"),
        ({"capture": "some"}, "/capture"),
        ({"metadata": {"a": "\x00"}}, "/metadata"),
        ({"secret": "whsec_c2hvcnQ="}, "/secret"),
    ],
)
def test_a_wrong_value_is_named_and_nothing_is_made(alice: Api, more: dict[str, Any], pointer: str) -> None:
    answer = alice.post("/subscriptions", {**NEW, **more})
    assert answer.status_code == 422, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert Subscription.objects.count() == 0


def test_a_change_is_a_new_version_and_an_old_one_is_refused(alice: Api) -> None:
    path = f"/subscriptions/{make(alice)['id']}"
    changed = alice.patch(path, {"patterns": ["*"]}, if_match='"v1"')
    assert (changed.status_code, changed["ETag"]) == (200, '"v2"')
    late = alice.patch(path, {"patterns": ["invoice.*"]}, if_match='"v1"')
    assert (late.status_code, late.json()["code"], late["ETag"]) == (412, "precondition-failed", '"v2"')
    assert alice.delete(path, if_match='"v1"').status_code == 412
    assert alice.get(path).json()["patterns"] == ["*"]
    assert alice.get(path, if_none_match='"v2"').status_code == 304
    assert alice.get(path, if_none_match='W/"v1", "v2"').status_code == 304
    assert alice.get(path, if_none_match='"v1"').status_code == 200


def test_a_change_that_changes_nothing_keeps_the_version(alice: Api) -> None:
    path = f"/subscriptions/{make(alice)['id']}"
    assert alice.patch(path, {"patterns": ["order.*"]})["ETag"] == '"v1"'
    assert alice.patch(path, {})["ETag"] == '"v1"'


def test_pause_resume_disable_and_enable_follow_the_table(alice: Api) -> None:
    path = f"/subscriptions/{make(alice)['id']}"
    steps = [
        ("pause", 200, "paused"),
        ("pause", 200, "paused"),
        ("enable", 409, "paused"),
        ("resume", 200, "active"),
        ("disable", 200, "disabled"),
        ("resume", 409, "disabled"),
        ("enable", 200, "active"),
    ]
    for step, status, state in steps:
        assert alice.post(f"{path}/{step}").status_code == status, step
        assert alice.get(path).json()["state"] == state, step
    assert alice.get(path).json()["version"] == 5
    assert alice.post(f"{path}/pause", {"why": "x"}).status_code == 400


def test_a_deleted_subscription_is_gone_and_its_tombstone_stays(alice: Api) -> None:
    path = f"/subscriptions/{make(alice, headers={'X-A': 'b'})['id']}"
    assert alice.delete(path).status_code == 204
    assert alice.get(path).status_code == 404
    assert alice.delete(path).status_code == 404
    assert alice.get("/subscriptions").json()["data"] == []
    row = Subscription.objects.get()
    assert row.deleted_at is not None
    assert row.headers_sealed is None
    assert row.secrets.count() == 0


def test_rotation_overlaps_and_reveal_shows_what_signs(alice: Api) -> None:
    made = make(alice)
    path = f"/subscriptions/{made['id']}/secrets"
    rotated = alice.post(f"{path}/rotate", {"overlap_s": 3600})
    assert (rotated.status_code, rotated["ETag"]) == (201, '"v2"')
    listed = alice.get(path).json()["data"]
    assert [sorted(secret) for secret in listed] == [["created_at", "expires_at", "kind"]] * 2
    assert [secret["expires_at"] is None for secret in listed] == [True, False]
    shown = alice.post(f"{path}/reveal").json()["data"]
    assert [secret["value"] for secret in shown] == [rotated.json()["value"], made["secret"]]
    assert alice.post(f"{path}/rotate", {"overlap_s": 0}).status_code == 201
    assert len(alice.post(f"{path}/reveal").json()["data"]) == 1
    assert AuditEntry.objects.filter(action="subscription.secret_revealed").count() == 2


def test_an_ed25519_secret_shows_only_its_public_half(alice: Api) -> None:
    made = make(alice, secret_kind="ed25519")
    assert made["secret"].startswith("whpk_")
    shown = alice.post(f"/subscriptions/{made['id']}/secrets/reveal").json()["data"]
    assert shown == [{**shown[0], "kind": "ed25519", "value": made["secret"]}]


def test_a_list_can_be_narrowed_by_consumer_and_state(cast: Cast, alice: Api) -> None:
    own, theirs = make(alice), make(alice, consumer="acme")
    alice.post(f"/subscriptions/{own['id']}/pause")

    def ids(query: str) -> list[Any]:
        return [row["id"] for row in alice.get(f"/subscriptions?{query}").json()["data"]]

    assert ids("") == [theirs["id"], own["id"]]
    assert ids("consumer=acme") == ids(f"consumer={cast.acme.public_id}") == [theirs["id"]]
    assert ids("state=paused") == [own["id"]]
    assert alice.get("/subscriptions?state=asleep").status_code == 400
    assert alice.get("/subscriptions?consumer=nobody").status_code == 404


def test_a_consumers_key_makes_and_sees_only_its_own(cast: Cast, alice: Api, acme: Api) -> None:
    make(alice)
    made = make(acme)
    assert made["consumer"] == cast.acme.public_id
    assert Subscription.objects.get(uid=made["id"]).shard == cast.acme.shard
    assert [row["id"] for row in acme.get("/subscriptions").json()["data"]] == [made["id"]]
    assert acme.post("/subscriptions", {**NEW, "consumer": "globex"}).status_code == 404
    assert make(acme, consumer="acme")["consumer"] == cast.acme.public_id


def test_a_consumers_limit_of_subscriptions_holds(alice: Api, acme: Api) -> None:
    assert alice.patch("/consumers/acme", {"limits": {"subscriptions": 1}}).status_code == 200
    make(acme)
    refused = acme.post("/subscriptions", NEW)
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert Subscription.objects.count() == 1
