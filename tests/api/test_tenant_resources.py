"""The environment, its members and the audit through the API."""

from __future__ import annotations

import pytest

from hub.tenants.models import Generation, Member, User
from tests.api.client import Api
from tests.cast import Cast


def test_the_environment_of_the_key_can_be_read_and_paused(cast: Cast, alice: Api) -> None:
    shown = alice.get("/environment").json()
    assert (shown["id"], shown["kind"], shown["tenant"]["id"]) == (
        cast.alice.live.uid,
        "live",
        cast.alice.tenant.uid,
    )
    before = dict(Generation.objects.values_list("name", "value"))
    paused = alice.patch("/environment", {"paused": True, "capture": "all"}, if_match='"v1"')
    assert (paused.json()["paused"], paused.json()["capture"], paused["ETag"]) == (True, "all", '"v2"')
    assert Api(cast.alice.test_key).get("/environment").json()["paused"] is False
    after = dict(Generation.objects.values_list("name", "value"))
    assert after == {name: value + 1 for name, value in before.items()}
    assert alice.patch("/environment", {"name": "test"}).status_code == 409
    assert alice.patch("/environment", {"capture": "some"}).status_code == 422


def test_members_are_added_by_email_however_it_is_typed(alice: Api) -> None:
    added = alice.post("/members", {"email": "Dora@A.example", "role": "viewer"})
    assert (added.status_code, added.json()["email"]) == (201, "dora@a.example")
    assert User.objects.get(email="dora@a.example").has_usable_password() is False
    assert alice.post("/members", {"email": "DORA@a.example", "role": "admin"}).status_code == 409
    path = added["Location"]
    assert alice.patch(path, {"role": "support"}, if_match='"v1"').json()["role"] == "support"
    assert alice.delete(path, if_match='"v1"').status_code == 412
    assert alice.delete(path, if_match='"v2"').status_code == 204
    assert alice.get(path).status_code == 404


def test_somebody_of_another_tenant_shows_nothing_but_the_email(cast: Cast, alice: Api) -> None:
    User.objects.filter(email="charlie@b.example").update(name="Charlie Chaplin")
    known = alice.post("/members", {"email": "charlie@b.example", "role": "viewer"}).json()
    fresh = alice.post("/members", {"email": "nobody@b.example", "role": "viewer"}).json()
    assert known.keys() == fresh.keys()
    assert "Chaplin" not in str(known)


def test_a_key_never_makes_changes_or_removes_an_owner(cast: Cast, alice: Api) -> None:
    path = f"/members/{cast.alice.member.uid}"
    before = list(Member.objects.values_list("id", "role", "version"))
    for refused in (
        alice.delete(path),
        alice.patch(path, {"role": "admin"}),
        alice.patch(path, {"role": "owner"}),
        alice.patch(f"/members/{cast.bob.member.uid}", {"role": "owner"}),
        alice.post("/members", {"email": "new@a.example", "role": "owner"}),
    ):
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert list(Member.objects.values_list("id", "role", "version")) == before
    assert alice.delete(path, if_match='"v9"').status_code == 412
    assert not User.objects.filter(email="new@a.example").exists()
    bob = f"/members/{cast.bob.member.uid}"
    assert alice.patch(bob, {"role": "admin"}).json()["role"] == "admin"
    assert alice.delete(bob).status_code == 204


@pytest.mark.parametrize(
    "body", [{"email": "x", "role": "viewer"}, {"email": "a@b.example", "role": "king"}, {}]
)
def test_a_wrong_member_is_refused(alice: Api, body: dict[str, str]) -> None:
    before = (User.objects.count(), Member.objects.count())
    assert alice.post("/members", body).status_code == 422
    assert (User.objects.count(), Member.objects.count()) == before


def test_the_audit_tells_who_changed_what(cast: Cast, alice: Api) -> None:
    alice.patch("/consumers/acme", {"name": "Acme Inc"}, x_request_id="req-7")
    entry = alice.get(f"/audit?target={cast.acme.public_id}&limit=1").json()["data"][0]
    assert entry["action"] == "consumer.updated"
    assert entry["changes"] == {"name": ["Acme", "Acme Inc"]}
    assert (entry["actor_kind"], entry["ip"], entry["request_id"]) == ("key", "127.0.0.1", "req-7")
    assert entry["actor"].startswith("key_")
    created = alice.get("/audit?action=consumer.created").json()["data"]
    assert {row["changes"]["uid"][1] for row in created} == {"acme", "globex"}


def test_the_audit_of_one_environment_does_not_show_another(cast: Cast, alice: Api) -> None:
    seen = Api(cast.alice.test_key).get("/audit?limit=200").json()["data"]
    assert "tenant.created" in {row["action"] for row in seen}
    assert cast.acme.public_id not in {row["target"] for row in seen}


def test_nothing_is_written_to_the_audit_by_reading_or_being_refused(alice: Api) -> None:
    before = alice.get("/audit?limit=200").json()["data"]
    alice.get("/consumers")
    alice.post("/consumers", {"uid": "acme"})
    alice.patch("/consumers/acme", {"name": "Acme"})
    assert alice.get("/audit?limit=200").json()["data"] == before
