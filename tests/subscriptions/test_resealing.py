"""Stored secrets under a new key: they say what they said, and nothing else of their rows changes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from hub.core.sealing import Keyring, generate_key
from hub.core.signing import verify
from hub.delivery.endpoint import COLUMNS, Endpoint, endpoint_of
from hub.ops.receiver.certificates import Authority
from hub.subscriptions import services, vault
from hub.subscriptions.models import Secret, Subscription
from hub.subscriptions.sealed import SEALED
from hub.subscriptions.services import resealing
from hub.tenants.models import AuditEntry, Environment, Generation, Tenant
from tests.cast import NOW, Cast, make_cast

OLD, NEW = f"old:{generate_key()}", f"new:{generate_key()}"
RING = Keyring.from_text(f"{NEW},{OLD}")
SECRETS = SEALED[0]
FIELDS = {"url": "https://hooks.example.com/in", "patterns": ["*"], "headers": {"X-Team": "blue"},
          "auth": {"kind": "bearer", "token": "t0ken"}}  # fmt: skip


def use(monkeypatch: pytest.MonkeyPatch, keys: str) -> None:
    monkeypatch.setitem(settings.ENV, "SEALING_KEYS", keys)
    vault.keyring.cache_clear()


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """The process has the old key alone."""
    use(monkeypatch, OLD)
    yield monkeypatch
    vault.keyring.cache_clear()


@pytest.fixture
def cast(db: None, keys: pytest.MonkeyPatch) -> Cast:
    return make_cast()


def make(cast: Cast, **more: Any) -> tuple[Subscription, str]:
    row, shown = services.create(scope=cast.alice.scope, fields={**FIELDS, **more}, now=NOW)
    return row, shown.value


def everything() -> list[tuple[Any, ...]]:
    """All columns of all rows, sealed ones as bytes."""
    return [
        tuple(bytes(value) if isinstance(value, memoryview) else value for value in row)
        for model in (Subscription, Secret)
        for row in model.objects.order_by("pk").values_list()
    ]


def reseal_all(ring: Keyring = RING, **more: Any) -> list[dict[str, int]]:
    return [dict(resealing.reseal(column, ring=ring, **more)) for column in SEALED]


def loaded(row: Subscription) -> Endpoint:
    """The endpoint as an engine reads it."""
    with connection.cursor() as cursor:
        cursor.execute(f"select {COLUMNS} from subscriptions_subscription s where s.id = %s", [row.pk])
        return endpoint_of(cursor.fetchone())


def signs_with(endpoint: Endpoint, secret: str) -> None:
    now = int(time.time())
    signature = endpoint.signer(now).sign("msg_1", now, b"{}")
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(now), "webhook-signature": signature.decode()}
    verify(headers, b"{}", [secret], now=now)


def test_all_is_sealed_under_the_first_key_and_says_the_same(
    cast: Cast, keys: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    chain, key = Authority(tmp_path, now=NOW).client("shop", now=NOW)
    certificate = {"chain": chain, "key": key}
    rows = [make(cast, client_certificate=certificate) for _ in range(3)]
    before, counted, noted = (
        everything(),
        Generation.objects.get(name="subscriptions").value,
        AuditEntry.objects.count(),
    )
    assert reseal_all(batch=2) == [{"old": 3}] * 4
    for column in SEALED:
        found = resealing.census(column, ring=RING)
        assert (dict(found.keys), found.older, found.broken) == ({"new": 3}, 0, [])
    after = everything()
    differ = [[a for a, b in zip(x, y, strict=True) if a != b] for x, y in zip(before, after, strict=True)]
    assert [len(values) for values in differ] == [3, 3, 3, 1, 1, 1]
    assert all(value.startswith(b"s1.old.") for values in differ for value in values)
    assert Generation.objects.get(name="subscriptions").value == counted
    assert AuditEntry.objects.count() == noted
    use(keys, NEW)
    for row, value in rows:
        row.refresh_from_db()
        assert vault.open_map(subscription=row.uid, part="headers", sealed=row.headers_sealed) == {
            "X-Team": "blue"
        }
        assert vault.open_map(subscription=row.uid, part="auth", sealed=row.auth_sealed) == {"token": "t0ken"}
        sealed = row.client_certificate_sealed
        assert vault.open_map(subscription=row.uid, part="client-certificate", sealed=sealed) == certificate
        assert vault.open_secret(subscription=row.uid, sealed=row.secrets.get().sealed) == value


def test_a_second_run_changes_nothing(cast: Cast) -> None:
    make(cast)
    reseal_all()
    before = everything()
    assert reseal_all() == [{}, {}, {}, {}]
    assert everything() == before


def test_only_what_another_key_sealed_is_written(cast: Cast, keys: pytest.MonkeyPatch) -> None:
    make(cast)
    use(keys, f"{NEW},{OLD}")
    fresh, _ = make(cast)
    before = everything()
    assert reseal_all() == [{"old": 1}, {"old": 1}, {"old": 1}, {}]
    same = [row for row in everything() if row in before]
    assert len(same) == 2
    assert same[0][0] == fresh.pk


def test_what_no_key_opens_is_named_and_stays_and_the_rest_goes_on(cast: Cast) -> None:
    lost, _ = make(cast)
    damaged, _ = make(cast)
    make(cast)
    gone = Keyring.from_text(f"gone:{generate_key()}")
    sealed = gone.seal(b"{}", context=vault.context(lost.uid, "headers")).encode()
    Subscription.objects.filter(pk=lost.pk).update(headers_sealed=sealed)
    Secret.objects.filter(subscription=damaged).update(sealed=b"\xff plain whsec_text")
    before = everything()
    assert reseal_all() == [{"old": 2}, {"old": 2}, {"old": 3}, {}]
    headers = resealing.census(SEALED[1], ring=RING)
    assert (dict(headers.keys), headers.older) == ({"new": 2, "gone": 1}, 0)
    assert [row for row, _ in headers.broken] == [f"of {lost.uid}"]
    assert "'gone'" in headers.broken[0][1]
    secrets = resealing.census(SECRETS, ring=RING)
    assert dict(secrets.keys) == {"new": 2, resealing.NO_KEY: 1}
    assert damaged.uid in secrets.broken[0][0]
    assert "plain" not in str(secrets.broken)
    assert bytes(Subscription.objects.get(pk=lost.pk).headers_sealed) == sealed
    assert [row for row in before if row in everything()] == [
        row for row in before if b"\xff plain whsec_text" in row
    ]


def test_deliveries_verify_before_and_after_the_old_key_goes(cast: Cast, keys: pytest.MonkeyPatch) -> None:
    row, value = make(cast)
    use(keys, f"{NEW},{OLD}")
    held = loaded(row)
    reseal_all()
    signs_with(held, value)
    use(keys, NEW)
    signs_with(loaded(row), value)


@pytest.fixture
def committed(keys: pytest.MonkeyPatch, django_db_setup: None, django_db_blocker: Any) -> Iterator[Secret]:
    """A secret that other sessions see as well."""
    with django_db_blocker.unblock():
        tenant = Tenant.objects.create(uid="ten_reseal", name="R", slug="tenant-reseal")
        live = Environment.objects.create(uid="env_reseal", tenant=tenant, name="live", kind="live", shard=1)
        row = Subscription.objects.create(
            uid="sub_reseal", environment=live, shard=1, url="https://a.example/", patterns=["*"]
        )
        sealed = vault.seal_secret(subscription=row.uid, text="whsec_first")
        yield Secret.objects.create(subscription=row, kind="hmac", sealed=sealed)
        for made in (
            row.secrets.all(),
            Subscription.objects.filter(pk=row.pk),
            Environment.objects.filter(pk=live.pk),
        ):
            made.delete()
        Tenant.objects.filter(pk=tenant.pk).delete()
        connection.close()


def another() -> psycopg.Connection:
    entry = connection.settings_dict
    return psycopg.connect(dbname=entry["NAME"], user=entry["USER"], host=entry["HOST"], port=entry["PORT"])


WAITERS = """
select count(*) from pg_locks l join pg_stat_activity a using (pid)
where not l.granted and a.datname = current_database()"""
CHANGE = "update subscriptions_secret set sealed = %s where id = %s"


def test_a_row_in_use_is_left_alone_and_done_by_the_next_run(
    committed: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resealing, "LOCK_WAIT_MS", 50)
    theirs = vault.seal_secret(subscription="sub_reseal", text="whsec_second")
    with another() as user:
        user.execute(CHANGE, [theirs, committed.pk])
        assert resealing.reseal(SECRETS, ring=RING) == {}
        assert resealing.census(SECRETS, ring=RING).older == 1
        user.commit()
    committed.refresh_from_db()
    assert bytes(committed.sealed) == theirs
    assert resealing.reseal(SECRETS, ring=RING) == {"old": 1}
    committed.refresh_from_db()
    context = vault.context("sub_reseal", "secret")
    assert RING.open(bytes(committed.sealed).decode(), context=context) == b"whsec_second"


@pytest.mark.parametrize(("key", "expected"), [(NEW, {}), (OLD, {"old": 1})], ids=["new", "old"])
def test_a_change_that_commits_meanwhile_is_waited_for_and_not_overwritten(
    committed: Secret, key: str, expected: dict[str, int]
) -> None:
    context = vault.context("sub_reseal", "secret")
    theirs = Keyring.from_text(key).seal(b"whsec_second", context=context).encode()
    with another() as user, another() as watch:
        watch.autocommit = True
        user.execute(CHANGE, [theirs, committed.pk])
        thread = threading.Thread(target=commit_when_waited_for, args=[user, watch])
        thread.start()
        moved = resealing.reseal(SECRETS, ring=RING)
        thread.join()
    assert moved == expected
    committed.refresh_from_db()
    assert (bytes(committed.sealed) == theirs) is (not expected)
    assert RING.open(bytes(committed.sealed).decode(), context=context) == b"whsec_second"


def commit_when_waited_for(user: psycopg.Connection, watch: psycopg.Connection) -> None:
    until = time.monotonic() + 4
    while not watch.execute(WAITERS).fetchone()[0] and time.monotonic() < until:
        time.sleep(0.01)
    user.commit()


def test_two_runs_at_once_share_the_work(committed: Secret) -> None:
    for n in range(60):
        sealed = vault.seal_secret(subscription="sub_reseal", text=f"whsec_{n}")
        Secret.objects.create(subscription=committed.subscription, kind="hmac", sealed=sealed)
    together = threading.Barrier(2, timeout=10)

    def run() -> int:
        try:
            together.wait()
            return resealing.reseal(SECRETS, ring=RING, batch=5)["old"]
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        done = [one.result() for one in [pool.submit(run), pool.submit(run)]]
    assert sum(done) == 61
    found = resealing.census(SECRETS, ring=RING)
    assert (dict(found.keys), found.broken) == ({"new": 61}, [])
