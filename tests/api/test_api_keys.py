"""API keys through the API: made, narrowed, revoked."""

from __future__ import annotations

from hub.tenants.keys import digest
from hub.tenants.models import ApiKey, Generation
from tests.api.client import Api
from tests.cast import Cast


def keys_generation() -> int:
    return Generation.objects.get(name="keys").value


def test_the_text_of_a_key_is_shown_once_and_only_its_hash_kept(alice: Api) -> None:
    answer = alice.post("/keys", {"name": "ci", "scopes": ["events:write"]})
    made = answer.json()
    text = made.pop("key")
    assert text.startswith("tl_live_")
    assert made["prefix"] == text[:14]
    assert alice.get(answer["Location"]).json() == made
    row = ApiKey.objects.get(uid=made["id"])
    assert bytes(row.hash) == digest(text)
    assert row.created_by == ApiKey.objects.get(hash=digest(alice.key or "")).uid
    assert made["rate_limit"] is None


def test_a_revoked_key_is_refused_at_once(alice: Api) -> None:
    made = alice.post("/keys", {"scopes": ["consumers:read"]}).json()
    before = keys_generation()
    assert Api(made["key"]).get("/consumers").status_code == 200
    assert alice.delete(f"/keys/{made['id']}").status_code == 204
    refused = Api(made["key"]).get("/consumers")
    assert (refused.status_code, refused.json()["detail"]) == (401, "This API key was revoked.")
    assert alice.get(f"/keys/{made['id']}").status_code == 404
    assert keys_generation() == before + 1


def test_an_expired_key_is_refused(alice: Api) -> None:
    made = alice.post("/keys", {"scopes": ["consumers:read"], "expires_at": "2999-01-01T00:00:00Z"}).json()
    assert Api(made["key"]).get("/consumers").status_code == 200
    past = alice.patch(f"/keys/{made['id']}", {"expires_at": "2001-01-01T00:00:00Z"})
    assert past.status_code == 422
    ApiKey.objects.filter(uid=made["id"]).update(expires_at="2001-01-01T00:00:00Z")
    assert Api(made["key"]).get("/consumers").json()["detail"] == "This API key has expired."


def test_a_key_never_grants_more_than_it_has(alice: Api) -> None:
    narrow = Api(alice.post("/keys", {"scopes": ["keys:read", "keys:write"]}).json()["key"])
    before = ApiKey.objects.count()
    assert narrow.post("/keys", {"scopes": ["events:write"]}).status_code == 403
    assert ApiKey.objects.count() == before
    made = narrow.post("/keys", {"scopes": ["keys:read"]}).json()
    assert narrow.patch(f"/keys/{made['id']}", {"scopes": ["members:write"]}).status_code == 403
    assert narrow.patch(f"/keys/{made['id']}", {"scopes": ["keys:write"]}).status_code == 200


def test_a_consumers_key_can_have_consumers_scopes_only(cast: Cast, alice: Api) -> None:
    wide = alice.post("/keys", {"scopes": ["keys:write"], "consumer": "acme"})
    assert (wide.status_code, wide.json()["errors"][0]["pointer"]) == (422, "/scopes")
    made = alice.post("/keys", {"scopes": ["events:write"], "consumer": "acme"}).json()
    assert made["consumer"] == cast.acme.public_id
    assert alice.patch(f"/keys/{made['id']}", {"scopes": ["audit:read"]}).status_code == 422
    assert [row["id"] for row in alice.get("/keys?consumer=acme&limit=1").json()["data"]] == [made["id"]]


def test_the_last_use_shows_in_the_etag_but_not_in_the_version(alice: Api) -> None:
    made = alice.post("/keys", {"scopes": ["consumers:read"]}).json()
    path = f"/keys/{made['id']}"
    unused = alice.get(path)["ETag"]
    Api(made["key"]).get("/consumers")
    used = alice.get(path, if_none_match=unused)
    assert used.status_code == 200
    assert used.json()["last_used_at"] is not None
    assert alice.patch(path, {"name": "n"}, if_match=used["ETag"]).status_code == 200


def test_every_change_of_a_key_counts_once(alice: Api) -> None:
    before = keys_generation()
    path = f"/keys/{alice.post('/keys', {'scopes': ['events:read']}).json()['id']}"
    alice.patch(path, {"rate_limit": 5})
    alice.patch(path, {"rate_limit": 5})
    alice.delete(path)
    assert keys_generation() == before + 3
