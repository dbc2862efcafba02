"""Changes of subscriptions: what is sealed, what counts, what is written to the audit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hub.core.problems import ProblemError
from hub.core.sealing import ForeignToken
from hub.core.signing import Signer, new_secret
from hub.subscriptions import selectors, services, vault
from hub.subscriptions.auth import authorization
from hub.subscriptions.models import Secret, Subscription
from hub.subscriptions.policy import StateReason
from hub.subscriptions.services.secrets import MAX_LIVE
from hub.tenants.models import AuditEntry, Generation
from hub.tenants.services import tenants
from tests.cast import Cast, make_cast

NEW = {"url": "https://hooks.example.com/in", "patterns": ["order.*"]}


@pytest.fixture
def cast(db: None) -> Cast:
    return make_cast()


def make(cast: Cast, **more: Any) -> Subscription:
    return services.create(scope=cast.alice.scope, fields={**NEW, **more})[0]


def generation() -> int:
    return Generation.objects.get(name="subscriptions").value


def test_a_subscription_lies_in_the_shard_of_its_owner(cast: Cast) -> None:
    assert make(cast).shard == cast.alice.live.shard
    theirs, _ = services.create(scope=cast.alice.scope, fields=NEW, consumer="acme")
    assert theirs.shard == cast.acme.shard


def test_every_change_counts_once_and_stamps_the_row(cast: Cast) -> None:
    scope, before = cast.alice.scope, generation()
    uid = make(cast).uid
    services.update(scope=scope, uid=uid, fields={"timeout_s": 3})
    services.update(scope=scope, uid=uid, fields={"timeout_s": 3})
    services.pause(scope=scope, uid=uid)
    services.resume(scope=scope, uid=uid)
    services.disable(scope=scope, uid=uid)
    services.enable(scope=scope, uid=uid)
    services.rotate_secret(scope=scope, uid=uid, now=datetime.now(UTC))
    services.reveal_secret(scope=scope, uid=uid)
    row = Subscription.objects.get(uid=uid)
    assert generation() == row.generation == before + 7
    assert row.version == 7
    services.delete(scope=scope, uid=uid)
    row.refresh_from_db()
    assert row.generation == generation() == before + 8
    actions = list(AuditEntry.objects.filter(target=uid).order_by("id").values_list("action", flat=True))
    assert [action.removeprefix("subscription.") for action in actions] == [
        *("created", "updated", "paused", "resumed", "disabled", "enabled"),
        *("secret_rotated", "secret_revealed", "deleted"),
    ]


def test_switches_above_a_subscription_count_as_well(cast: Cast) -> None:
    before = generation()
    tenants.update_environment(scope=cast.alice.scope, changes={"paused": True})
    tenants.update_environment(scope=cast.alice.scope, changes={"name": "renamed"})
    assert generation() == before + 1


def test_what_is_sealed_opens_for_its_own_subscription_only(cast: Cast) -> None:
    auth = {"kind": "bearer", "token": "t0ken"}
    row = make(cast, headers={"X-Team": "blue"}, auth=auth)
    other = make(cast)
    opened = vault.open_map(subscription=row.uid, part="auth", sealed=row.auth_sealed)
    assert authorization(kind=row.auth_kind, secret=opened) == "Bearer t0ken"
    assert vault.open_map(subscription=row.uid, part="headers", sealed=row.headers_sealed) == {
        "X-Team": "blue"
    }
    with pytest.raises(ForeignToken):
        vault.open_map(subscription=other.uid, part="auth", sealed=row.auth_sealed)
    with pytest.raises(ForeignToken):
        vault.open_map(subscription=row.uid, part="headers", sealed=row.auth_sealed)
    cleared = services.update(
        scope=cast.alice.scope, uid=row.uid, fields={"headers": {}, "auth": {"kind": "none"}}
    )
    assert (cleared.headers_sealed, cleared.auth_sealed, cleared.header_names) == (None, None, [])


def test_basic_credentials_become_the_header_of_rfc_7617() -> None:
    pair = {"username": "Aladdin", "password": "open sesame"}
    assert authorization(kind="basic", secret=pair) == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    assert authorization(kind="none", secret={}) is None


def test_an_own_secret_signs(cast: Cast) -> None:
    own = new_secret()
    row, shown = services.create(scope=cast.alice.scope, fields=NEW, secret=own)
    assert shown.value == own
    assert own not in repr(shown)
    sealed = row.secrets.get().sealed
    Signer([vault.open_secret(subscription=row.uid, sealed=sealed)])
    with pytest.raises(ProblemError, match="begins with whsk_"):
        services.create(scope=cast.alice.scope, fields=NEW, secret=own, secret_kind="ed25519")


def test_an_overlap_ends_when_it_was_said_to(cast: Cast) -> None:
    now = datetime.now(UTC)
    row = make(cast)
    services.rotate_secret(scope=cast.alice.scope, uid=row.uid, now=now, overlap_s=3600)
    services.rotate_secret(scope=cast.alice.scope, uid=row.uid, now=now, overlap_s=7200)
    ends = list(Secret.objects.order_by("id").values_list("expires_at", flat=True))
    assert ends == [now + timedelta(hours=1), now + timedelta(hours=2), None]
    later = now + timedelta(minutes=90)
    services.rotate_secret(scope=cast.alice.scope, uid=row.uid, now=later, overlap_s=60)
    ends = list(Secret.objects.order_by("id").values_list("expires_at", flat=True))
    assert ends == [later + timedelta(minutes=1), later + timedelta(minutes=1), None]


def test_secrets_that_sign_at_once_are_bounded(cast: Cast) -> None:
    row, now = make(cast), datetime.now(UTC)
    for _ in range(MAX_LIVE - 1):
        services.rotate_secret(scope=cast.alice.scope, uid=row.uid, now=now)
    with pytest.raises(ProblemError, match="conflict"):
        services.rotate_secret(scope=cast.alice.scope, uid=row.uid, now=now)
    services.rotate_secret(scope=cast.alice.scope, uid=row.uid, now=now, overlap_s=0)
    assert selectors.live_secrets(row).count() == 1


def test_the_hub_disables_with_its_reason_and_only_a_person_enables(cast: Cast) -> None:
    uid = make(cast).uid
    disabled = services.disable(
        scope=cast.alice.scope, uid=uid, reason=StateReason.gone, detail="It answered 410 Gone."
    )
    assert (disabled.state, disabled.state_reason) == ("disabled", "It answered 410 Gone.")
    assert disabled.state_since > disabled.created_at
    with pytest.raises(ProblemError, match="enable it instead"):
        services.resume(scope=cast.alice.scope, uid=uid)
    enabled = services.enable(scope=cast.alice.scope, uid=uid)
    assert (enabled.state, enabled.state_reason) == ("active", "")


def test_a_refused_change_leaves_no_trace(cast: Cast) -> None:
    uid = make(cast).uid
    before = (generation(), AuditEntry.objects.count(), list(Subscription.objects.values()))
    for act in (
        lambda: services.update(scope=cast.alice.scope, uid=uid, fields={"url": "https://127.1/"}),
        lambda: services.update(scope=cast.alice.scope, uid=uid, fields={"name": "x"}, expected_version=9),
        lambda: services.rotate_secret(scope=cast.alice.scope, uid=uid, now=datetime.now(UTC), overlap_s=-1),
        lambda: services.resume(scope=cast.charlie.scope, uid=uid),
        lambda: services.delete(scope=cast.alice.test_scope, uid=uid),
        lambda: services.create(scope=cast.alice.scope, fields={"url": NEW["url"]}),
    ):
        with pytest.raises(ProblemError):
            act()
    assert (generation(), AuditEntry.objects.count(), list(Subscription.objects.values())) == before
