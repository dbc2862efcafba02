"""OAuth 2.0 and client certificates through the API: taken, told by name, and never shown."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from hub.ops.receiver.certificates import Authority
from hub.subscriptions.models import Subscription
from hub.tenants.models import AuditEntry
from tests.api.client import Api

NEW = {"url": "https://hooks.example.com/in", "patterns": ["order.*"]}
OAUTH2 = {
    "kind": "oauth2",
    "token_url": "https://auth.example.com/token",
    "client_id": "hub-id",
    "client_secret": "s3cret-of-client",
    "scope": "a b",
    "client_auth": "body",
}
TODAY = dt.datetime.now(dt.UTC)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("clients"), now=TODAY)


@pytest.fixture
def certificate(authority: Authority) -> dict[str, str]:
    chain, key = authority.client("shop", now=TODAY)
    return {"chain": chain, "key": key}


def make(api: Api, **more: Any) -> dict[str, Any]:
    answer = api.post("/subscriptions", {**NEW, **more})
    assert answer.status_code == 201, answer.content
    return answer.json()


def test_the_credentials_of_a_grant_are_sealed_and_only_their_kind_is_shown(alice: Api) -> None:
    made = make(alice, auth=OAUTH2)
    path = f"/subscriptions/{made['id']}"
    assert made["auth"] == alice.get(path).json()["auth"] == {"kind": "oauth2"}
    row = Subscription.objects.get()
    audit = str(list(AuditEntry.objects.values_list("changes", flat=True)))
    for secret in ("hub-id", "s3cret-of-client", "auth.example.com"):
        assert secret not in audit
        assert secret.encode() not in bytes(row.auth_sealed)
    assert alice.patch(path, {"auth": {"kind": "none"}}).json()["auth"] == {"kind": "none"}
    row.refresh_from_db()
    assert (row.auth_kind, row.auth_sealed) == ("none", None)


def test_a_certificate_shows_what_names_it_and_null_takes_it_away(
    alice: Api, certificate: dict[str, str]
) -> None:
    made = make(alice, client_certificate=certificate)
    path = f"/subscriptions/{made['id']}"
    read = alice.get(path)
    shown = read.json()["client_certificate"]
    assert made["client_certificate"] == shown
    assert shown == {
        "subject": "CN=shop",
        "issuer": "CN=Trunkline throw-away authority",
        "fingerprint_sha256": shown["fingerprint_sha256"],
        "not_after": (TODAY + dt.timedelta(days=7)).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    assert b"BEGIN" not in read.content + alice.get("/subscriptions").content
    assert "BEGIN" not in str(list(AuditEntry.objects.values_list("changes", flat=True)))
    removed = alice.patch(path, {"client_certificate": None})
    assert (removed.json()["client_certificate"], removed["ETag"]) == (None, '"v2"')
    assert make(alice)["client_certificate"] is None


@pytest.mark.parametrize(
    ("more", "pointer"),
    [
        ({"auth": {**OAUTH2, "token_url": "https://10.0.0.1/"}}, "/auth"),
        ({"auth": {**OAUTH2, "token_url": "http://auth.example.com/"}}, "/auth"),
        ({"auth": {**OAUTH2, "client_auth": "jwt"}}, "/auth/client_auth"),
        ({"auth": {**OAUTH2, "scope": ""}}, "/auth/scope"),
        ({"auth": {**OAUTH2, "client_secret": None}}, "/auth/client_secret"),
        ({"auth": {"kind": "oauth2", "token_url": "https://auth.example.com/", "client_id": "x"}}, "/auth"),
        ({"auth": {**OAUTH2, "kind": "bearer"}}, "/auth"),
        ({"client_certificate": {"chain": "x"}}, "/client_certificate/key"),
        ({"client_certificate": {"chain": "x", "key": "y"}}, "/client_certificate/chain"),
        ({"client_certificate": "x"}, "/client_certificate"),
        ({"client_certificate": {"chain": "x" * 32_769, "key": "y"}}, "/client_certificate/chain"),
    ],
)
def test_a_wrong_value_is_named_and_nothing_is_made(alice: Api, more: dict[str, Any], pointer: str) -> None:
    answer = alice.post("/subscriptions", {**NEW, **more})
    assert answer.status_code == 422, answer.content
    assert {error["pointer"] for error in answer.json()["errors"]} == {pointer}
    assert b"s3cret" not in answer.content
    assert Subscription.objects.count() == 0


def test_a_key_that_does_not_fit_changes_nothing(
    alice: Api, authority: Authority, certificate: dict[str, str]
) -> None:
    path = f"/subscriptions/{make(alice, client_certificate=certificate)['id']}"
    before = alice.get(path).json()
    _, other = authority.client("other", now=TODAY)
    answer = alice.patch(path, {"client_certificate": {**certificate, "key": other}})
    assert (answer.status_code, answer.json()["errors"]) == (
        422,
        [
            {
                "pointer": "/client_certificate/key",
                "detail": "does not belong to the first certificate of the chain",
            }
        ],
    )
    assert b"PRIVATE" not in answer.content
    assert alice.get(path).json() == before


def test_an_unknown_member_of_a_certificate_gets_a_suggestion(
    alice: Api, certificate: dict[str, str]
) -> None:
    answer = alice.post("/subscriptions", {**NEW, "client_certificate": {**certificate, "chains": "x"}})
    assert answer.status_code == 400
    assert "did you mean chain?" in answer.json()["detail"]


def test_a_consumers_own_key_sets_them_for_its_own_subscription(
    acme: Api, alice: Api, certificate: dict[str, str]
) -> None:
    made = make(acme, auth=OAUTH2, client_certificate=certificate)
    assert (made["auth"], made["client_certificate"]["subject"]) == ({"kind": "oauth2"}, "CN=shop")
    assert (
        alice.get(f"/subscriptions/{made['id']}").json()["client_certificate"] == made["client_certificate"]
    )
