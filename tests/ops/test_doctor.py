"""What the doctor judges, by tables; and that it finds its own database sound."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection as django_connection

from hub.ops.doctor import database, hub_state, services, surroundings
from hub.ops.doctor.finding import Finding, fail, failed, ok, warn
from hub.ops.session import session
from hub.subscriptions import services as subscriptions
from hub.subscriptions import vault
from tests.cast import make_person

TODAY = date(2026, 3, 1)
GOOD_KEY = "k1:" + "QUJD" * 10 + "QUI="
FINE: dict[str, Any] = {
    "major": 18, "version": "18.6", "encoding": "UTF8", "fsync": "on", "pages": "on", "commit": "on", "recovery": False,
}  # fmt: skip


def levels(findings: Any) -> list[tuple[str, str]]:
    return [(f.level, f.name) for f in findings]


@pytest.mark.parametrize(
    ("secret", "sealing", "found"),
    [
        ("a1b2c3d4e5" * 5, GOOD_KEY, [("ok", "SEALING_KEYS")]),
        ("short", GOOD_KEY, [("warn", "SECRET_KEY"), ("ok", "SEALING_KEYS")]),
        ("x" * 60, GOOD_KEY, [("warn", "SECRET_KEY"), ("ok", "SEALING_KEYS")]),
        ("a1b2c3d4e5" * 5, "k1:short", [("fail", "SEALING_KEYS")]),
    ],
)
def test_keys(secret: str, sealing: str, found: list[tuple[str, str]]) -> None:
    assert levels(surroundings.keys({"SECRET_KEY": secret, "SEALING_KEYS": sealing})) == found


@pytest.mark.parametrize(
    ("url", "hosts", "debug", "found"),
    [
        ("https://hub.example.com", ["hub.example.com"], False, "ok ok ok"),
        ("https://hub.example.com", [".example.com"], False, "ok ok ok"),
        ("http://127.0.0.1:8000", ["127.0.0.1"], True, "ok ok warn"),
        ("http://[::1]:8000", ["[::1]"], False, "ok ok ok"),
        ("http://hub.example.com", ["*"], False, "warn warn ok"),
        ("https://hub.example.com", ["localhost"], True, "ok fail fail"),
    ],
)
def test_addresses(url: str, hosts: list[str], debug: bool, found: str) -> None:
    judged = surroundings.addresses(public_url=url, allowed_hosts=hosts, debug=debug)
    assert " ".join(f.level for f in judged) == found


@pytest.mark.parametrize(
    ("networks", "http", "found"),
    [
        ([], False, "ok"),
        (["10.1.0.0/16"], True, "warn warn"),
        (["0.0.0.0/0"], False, "fail"),
        (["::/0"], False, "fail"),
        (["128.0.0.0/1"], False, "fail"),
        (["169.254.0.0/16"], False, "fail"),
    ],
)
def test_outbound(networks: list[str], http: bool, found: str) -> None:
    judged = surroundings.outbound(networks=[ipaddress.ip_network(n) for n in networks], http=http)
    assert " ".join(f.level for f in judged) == found


@pytest.mark.parametrize(("limit", "level"), [(1024, "warn"), (4095, "warn"), (4096, "ok"), (-1, "ok")])
def test_open_files(limit: int, level: str) -> None:
    assert surroundings.open_files(limit).level == level


@pytest.mark.parametrize(("free", "level"), [(0.5, "fail"), (4, "warn"), (6, "ok")])
def test_disk(free: float, level: str) -> None:
    gib = surroundings.GIB
    assert surroundings.disk(free=int(free * gib), total=100 * gib, folder="/x").level == level


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({}, [("ok", "PostgreSQL"), ("ok", "durability")]),
        ({"major": 14}, [("fail", "PostgreSQL"), ("ok", "durability")]),
        ({"fsync": "off"}, [("ok", "PostgreSQL"), ("fail", "durability")]),
        ({"pages": "off"}, [("ok", "PostgreSQL"), ("fail", "durability")]),
        ({"commit": "off"}, [("ok", "PostgreSQL"), ("fail", "durability")]),
        ({"recovery": True}, [("ok", "PostgreSQL"), ("fail", "PostgreSQL"), ("ok", "durability")]),
        ({"encoding": "SQL_ASCII"}, [("ok", "PostgreSQL"), ("fail", "encoding"), ("ok", "durability")]),
    ],
)
def test_settings_of_the_server(change: dict[str, Any], found: list[tuple[str, str]]) -> None:
    assert levels(database.settings(**FINE | change)) == found


@pytest.mark.parametrize(
    ("user", "superuser", "owner", "writable", "level"),
    [
        ("app", False, "owner", [], "ok"),
        ("app", False, "app", [], "warn"),
        ("postgres", True, "postgres", [], "warn"),
        ("app", False, "owner", ["event"], "warn"),
    ],
)
def test_roles(user: str, superuser: bool, owner: str, writable: list[str], level: str) -> None:
    assert database.roles(user=user, superuser=superuser, owner=owner, writable=writable).level == level


@pytest.mark.parametrize(("ahead", "level"), [(0.2, "ok"), (-2, "warn"), (61, "fail"), (-61, "fail")])
def test_clock(ahead: float, level: str) -> None:
    assert database.clock(ahead_s=ahead).level == level


def days(*offsets: int) -> list[date]:
    return [TODAY + timedelta(days=n) for n in offsets]


@pytest.mark.parametrize(
    ("there", "level", "words"),
    [
        (days(*range(-1, 15)), "ok", "16 partitions, 14 days ahead"),
        (days(-1, 0, 1), "fail", "1 days ahead"),
        (days(-2, -1), "fail", "none for today"),
        ([], "fail", "none for today"),
        (days(-1, 0, 1, 2, 3), "warn", "3 days ahead instead of 14"),
        (days(-9, *range(-1, 15)), "warn", "days are missing from 2026-02-21 on"),
    ],
)
def test_partitions(there: list[date], level: str, words: str) -> None:
    (found,) = hub_state.partitions(today=TODAY, days={"event": there})
    assert (found.level, found.name) == (level, "event days")
    assert words in found.detail


@pytest.mark.parametrize(
    ("alive", "owned", "level"), [(1, 64, "ok"), (2, 63, "fail"), (0, 0, "fail"), (0, 64, "fail")]
)
def test_engines(alive: int, owned: int, level: str) -> None:
    assert hub_state.engines(alive=alive, owned=owned).level == level


def test_a_finding_says_what_to_do() -> None:
    assert (
        warn("disk", "2 GiB", "Free some.").text()
        == "warn  disk           2 GiB\n                     → Free some."
    )
    assert failed([ok("a", ""), warn("b", "", "c")]) is False
    assert failed([fail("a", "", "c")]) is True


@pytest.mark.parametrize(
    "url",
    ["redis://user:hunter2@127.0.0.1:1/0", "amqp://user:hunter2@127.0.0.1:1//", "amqp://user:hunter2@:bad//"],
)
def test_an_absent_broker_is_named_without_its_password(url: str) -> None:
    found = services.broker(url)
    assert found.level == "fail"
    assert "hunter2" not in found.text()


def test_an_absent_redis_is_named_without_its_password() -> None:
    found = services.cache("redis://:hunter2@127.0.0.1:1/0")
    assert found.level == "fail"
    assert "hunter2" not in found.text()
    assert services.cache("").level == "fail"


@pytest.fixture
def tables(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    with django_db_blocker.unblock():
        yield


def test_the_database_is_found_sound(tables: None) -> None:
    found = {f.name: f for f in database.look(now=time.time)}
    assert {name: f.level for name, f in found.items() if name not in ("roles", "durability")} == {
        "PostgreSQL": "ok",
        "clock": "ok",
        "sessions": "ok",
    }


def test_a_wrong_clock_is_noticed(tables: None) -> None:
    found = {f.name: f for f in database.look(now=lambda: time.time() - 3600)}
    assert (found["clock"].level, "ahead" in found["clock"].detail) == ("fail", True)


class Pooled:
    """Two clients that a proxy gives the same server session, one transaction at a time."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self.transaction = connection.transaction
        self.execute = connection.execute


def test_a_transaction_pooling_proxy_is_noticed(tables: None) -> None:
    with session(name="test") as one:
        found = database.proxy(Pooled(one), Pooled(one))  # type: ignore[arg-type]
    assert (found.level, found.name) == ("fail", "sessions")


def test_guards_that_are_off_are_noticed(tables: None) -> None:
    with session(name="test") as connection, connection.transaction(force_rollback=True):
        missing = connection.execute(hub_state.UNGUARDED, {"facts": list(hub_state.FACTS)}).fetchall()
        assert missing == []
        connection.execute("alter table event disable trigger append_only_truncate")
        missing = connection.execute(hub_state.UNGUARDED, {"facts": list(hub_state.FACTS)}).fetchall()
        assert ("event", "append_only_truncate") in missing
    found: Finding = hub_state.guards([(table, trigger) for table, trigger in missing])
    assert found.level == "fail"


@pytest.mark.django_db
def test_without_an_engine_the_tables_are_sound_otherwise() -> None:
    found = {f.name: f.level for f in hub_state.look()}
    assert found.pop("engine") == "fail"
    assert found == {
        "migrations": "ok",
        "event days": "ok",
        "attempt days": "ok",
        "capture days": "ok",
        "routed days": "ok",
        "event_key days": "ok",
        "read models": "ok",
        "append-only": "ok",
        "sealing": "ok",
    }


@pytest.mark.django_db
def test_the_command_prints_a_line_for_each_and_ends_with_1_on_a_failure(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        call_command("doctor")
    lines = capsys.readouterr().out.splitlines()
    assert ended.value.code == 1
    assert "fail  engine         none is alive: events are kept but not delivered" in lines
    assert any(line.startswith("ok    redis") for line in lines)
    assert any(line.startswith("ok    broker") for line in lines)
    assert lines[-1].endswith("1 failures.")


@pytest.mark.django_db
def test_the_command_names_an_absent_database(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(django_connection.settings_dict, "NAME", "no_such_database")
    with pytest.raises(SystemExit):
        call_command("doctor")
    told = capsys.readouterr().out
    assert 'database "no_such_database" does not exist' in told
    assert "migrations" not in told


@pytest.mark.django_db
def test_a_secret_that_can_not_be_opened_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    person = make_person(email="dora@d.example", slug="tenant-d", role="owner")
    auth = {"kind": "bearer", "token": "s3cret-token"}
    fields = {
        "url": "https://hooks.example.com/",
        "patterns": ["*"],
        "headers": {"X-Team": "blue"},
        "auth": auth,
    }
    subscriptions.create(scope=person.scope, fields=fields)
    assert hub_state.sealed() == ok("sealing", "3 stored secrets opened")
    monkeypatch.setitem(settings.ENV, "SEALING_KEYS", GOOD_KEY)
    vault.keyring.cache_clear()
    try:
        found = hub_state.sealed()
    finally:
        vault.keyring.cache_clear()
    assert found.level == "fail"
    assert found.detail.startswith("3 of 3 secrets can't be opened: this was sealed with key")
    assert "s3cret" not in found.text()
