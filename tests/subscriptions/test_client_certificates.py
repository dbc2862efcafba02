"""A subscription's client certificate as a service keeps it: judged, sealed with its key, changed, taken away."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from hub.core.problems import ProblemError
from hub.core.sealing import ForeignToken
from hub.ops.receiver.certificates import Authority
from hub.subscriptions import services, vault
from hub.subscriptions.models import Subscription
from hub.tenants.models import AuditEntry
from tests.cast import NOW, Cast, make_cast

NEW = {"url": "https://hooks.example.com/in", "patterns": ["order.*"]}
PART = "client-certificate"


@pytest.fixture
def cast(db: None) -> Cast:
    return make_cast()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("clients"), now=NOW)


def issued(authority: Authority, name: str = "shop", **more: Any) -> dict[str, str]:
    chain, key = authority.client(name, now=NOW, **more)
    return {"chain": chain, "key": key}


def make(cast: Cast, certificate: Any, **more: Any) -> Subscription:
    fields = {**NEW, "client_certificate": certificate, **more}
    return services.create(scope=cast.alice.scope, fields=fields, now=NOW)[0]


def test_chain_and_key_are_sealed_for_their_subscription_and_the_rest_can_be_read(
    cast: Cast, authority: Authority
) -> None:
    given = issued(authority)
    row, other = make(cast, given), make(cast, issued(authority))
    row.refresh_from_db()
    assert row.client_certificate == {
        "subject": "CN=shop",
        "issuer": "CN=Trunkline throw-away authority",
        "fingerprint_sha256": row.client_certificate["fingerprint_sha256"],
        "not_after": (NOW + dt.timedelta(days=7)).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    assert len(row.client_certificate["fingerprint_sha256"]) == 64
    opened = vault.open_map(subscription=row.uid, part=PART, sealed=row.client_certificate_sealed)
    assert opened == given
    assert b"PRIVATE" not in bytes(row.client_certificate_sealed)
    with pytest.raises(ForeignToken):
        vault.open_map(subscription=other.uid, part=PART, sealed=row.client_certificate_sealed)
    with pytest.raises(ForeignToken):
        vault.open_map(subscription=row.uid, part="auth", sealed=row.client_certificate_sealed)


def test_a_change_is_told_to_the_audit_by_fingerprints_and_null_takes_it_away(
    cast: Cast, authority: Authority
) -> None:
    scope, row = cast.alice.scope, make(cast, issued(authority))
    first = row.client_certificate["fingerprint_sha256"]
    row = services.update(scope=scope, uid=row.uid, fields={"client_certificate": issued(authority)}, now=NOW)
    second = row.client_certificate["fingerprint_sha256"]
    row = services.update(scope=scope, uid=row.uid, fields={"client_certificate": None})
    assert (row.client_certificate, row.client_certificate_sealed, row.version) == (None, None, 3)
    assert services.update(scope=scope, uid=row.uid, fields={"client_certificate": None}).version == 3
    told = AuditEntry.objects.filter(target=row.uid, action="subscription.updated").order_by("id")
    assert [entry.changes for entry in told] == [
        {"client_certificate": [first, second]},
        {"client_certificate": [second, None]},
    ]
    assert "BEGIN" not in str(list(AuditEntry.objects.values_list("changes", flat=True)))


def test_it_goes_with_its_subscription(cast: Cast, authority: Authority) -> None:
    row = make(cast, issued(authority))
    services.delete(scope=cast.alice.scope, uid=row.uid)
    row.refresh_from_db()
    assert (row.client_certificate, row.client_certificate_sealed) == (None, None)


@pytest.mark.parametrize(
    ("certificate", "pointer"),
    [
        ({}, "/client_certificate/chain"),
        ({"chain": "x", "key": "y"}, "/client_certificate/chain"),
        ("pem", "/client_certificate"),
        ([], "/client_certificate"),
    ],
)
def test_what_is_no_certificate_is_refused_and_nothing_is_made(
    cast: Cast, certificate: Any, pointer: str
) -> None:
    with pytest.raises(ProblemError) as caught:
        make(cast, certificate)
    assert [error["pointer"] for error in caught.value.problem.errors] == [pointer]
    assert Subscription.objects.count() == 0


def test_the_key_of_another_certificate_is_named_and_not_repeated(cast: Cast, authority: Authority) -> None:
    one, other = issued(authority), issued(authority)
    with pytest.raises(ProblemError, match="does not belong to the first certificate") as caught:
        make(cast, {"chain": one["chain"], "key": other["key"]})
    assert caught.value.problem.errors[0]["pointer"] == "/client_certificate/key"
    assert "BEGIN" not in str(caught.value.problem)


def test_an_expired_one_is_refused_at_the_time_that_is_given(
    cast: Cast, authority: Authority, tmp_path: Path
) -> None:
    row, late = make(cast, None), NOW + dt.timedelta(days=8)
    fields = {"client_certificate": issued(authority)}
    with pytest.raises(ProblemError, match="expired on"):
        services.update(scope=cast.alice.scope, uid=row.uid, fields=fields, now=late)
    with pytest.raises(ValueError, match="give now"):
        services.update(scope=cast.alice.scope, uid=row.uid, fields=fields)
    row.refresh_from_db()
    assert (row.version, row.client_certificate) == (1, None)


def test_one_that_would_never_be_presented_is_refused(
    cast: Cast, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(settings.ENV, "OUTBOUND_HTTP", True)
    plain, scope = "http://hooks.example.com/", cast.alice.scope
    with pytest.raises(ProblemError, match="is presented over TLS only"):
        make(cast, issued(authority), url=plain)
    row = make(cast, issued(authority))
    with pytest.raises(ProblemError, match="or null to have none"):
        services.update(scope=scope, uid=row.uid, fields={"url": plain})
    assert services.update(
        scope=scope, uid=row.uid, fields={"url": plain, "client_certificate": None}
    ).version == 2  # fmt: skip


def test_a_token_url_is_judged_like_an_endpoints(cast: Cast) -> None:
    auth = {"kind": "oauth2", "client_id": "hub", "client_secret": "s3cret"}
    for url, words in (
        ("https://10.0.0.1/token", "token_url: 10.0.0.1 is a private address"),
        ("http://auth.example.com/token", "token_url: plain http is not allowed here"),
        ("https://hub:s3cret@auth.example.com/", "token_url: the URL must not hold a user name"),
        ("https://localhost/token", "token_url: localhost may not be called"),
    ):
        with pytest.raises(ProblemError, match=words) as caught:
            make(cast, None, auth={**auth, "token_url": url})
        assert [error["pointer"] for error in caught.value.problem.errors] == ["/auth"]
        assert "s3cret" not in str(caught.value.problem)
    row = make(cast, None, auth={**auth, "token_url": "https://auth.example.com/token"})
    assert (row.auth_kind, b"s3cret" in bytes(row.auth_sealed)) == ("oauth2", False)
