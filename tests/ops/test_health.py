"""Readiness: what it weighs, what it tells strangers, and what a probe costs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db import connection as django_connection
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from hub.ops import health, middleware
from hub.ops.health import Check, Kept
from hub.ops.session import session


@pytest.fixture
def tables(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    with django_db_blocker.unblock():
        yield


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_kept", Kept(health.checks, seconds=0))


GOOD = Check("a", True, "fine")
MINOR = Check("b", False, "meh", "do this", vital=False)
VITAL = Check("c", False, "bad", "do that")


@pytest.mark.parametrize(
    ("found", "status", "word"),
    [
        ([GOOD], 200, "ready"),
        ([GOOD, MINOR], 200, "degraded"),
        ([GOOD, MINOR, VITAL], 503, "unavailable"),
    ],
)
def test_only_what_is_vital_makes_it_unready(found: list[Check], status: int, word: str) -> None:
    code, document = health.verdict(found)
    assert (code, document["status"]) == (status, word)
    assert document["checks"][0] == {"name": "a", "ok": True, "detail": "fine"}
    assert [c.get("do") for c in document["checks"]] == [c.do or None for c in found]


@pytest.fixture
def ingest(tables: None) -> Iterator[None]:
    """An ingest process that says it can take events."""
    with session(name="test") as connection:
        connection.execute(
            "insert into ingest_status (process, stats) values ('a:1', '{\"available\": true}')"
        )
        yield
        connection.execute("delete from ingest_status")


def test_a_migrated_database_without_an_engine_is_ready_but_degraded(ingest: None) -> None:
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert {c["name"]: c["ok"] for c in answer.json()["checks"]} == {
        "database": True,
        "migrations": True,
        "partitions": True,
        "ingest": True,
        "engine": False,
    }
    assert answer["Cache-Control"] == "no-store"


def test_a_missing_partition_makes_it_unready(tables: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "LEAST_AHEAD_DAYS", 60)
    answer = Client().get("/readyz")
    assert answer.status_code == 503
    (partitions,) = [c for c in answer.json()["checks"] if c["name"] == "partitions"]
    assert (partitions["ok"], partitions["detail"][:8]) == (False, "none for")


def test_a_read_only_database_makes_it_unready(tables: None) -> None:
    with session(name="test", options={"default_transaction_read_only": "on"}) as connection:
        found = {check.name: check.ok for check in health.database_checks(connection)}
    assert found["database"] is False


def test_an_unapplied_migration_makes_it_unready(tables: None) -> None:
    with session(name="test") as connection, connection.transaction(force_rollback=True):
        connection.execute("delete from django_migrations where app = 'ingest' or app = 'routing'")
        found = health.database_checks(connection)
    assert [(c.name, c.ok) for c in found] == [("database", True), ("migrations", False)]


def test_an_absent_database_is_told_without_its_name(tables: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(django_connection.settings_dict, "NAME", "no_such_database")
    answer = Client().get("/readyz")
    assert answer.status_code == 503
    assert "no_such_database" not in answer.content.decode()
    assert answer.json()["checks"][0]["detail"] == "does not answer"


@pytest.mark.parametrize(
    ("stats", "age_s", "detail"),
    [('{"available": false}', 0, "0 of 1 can write the log"), ('{"available": true}', 60, "none alive")],
)
def test_without_an_ingest_process_that_can_write_it_is_unready(
    ingest: None, stats: str, age_s: int, detail: str
) -> None:
    with session(name="test") as connection:
        connection.execute(
            "update ingest_status set stats = %s, at = clock_timestamp() - %s * interval '1 s'",
            (stats, age_s),
        )
    answer = Client().get("/readyz")
    assert answer.status_code == 503
    assert [c["detail"] for c in answer.json()["checks"] if c["name"] == "ingest"] == [detail]


def test_the_process_lives_without_a_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(django_connection.settings_dict, "NAME", "no_such_database")
    answer = Client().get("/livez")
    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})
    assert Client().post("/livez").status_code in (403, 405)


def test_many_probes_at_once_cost_one() -> None:
    made = []
    gate = threading.Event()

    def make() -> int:
        gate.wait(5)
        made.append(1)
        return len(made)

    kept = Kept(make, seconds=60)
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(kept.get())) for _ in range(8)]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join(5)
    assert (found, made) == ([1] * 8, [1])


def test_a_kept_result_ages() -> None:
    now = [0.0]
    numbers = iter(range(10))
    kept = Kept(lambda: next(numbers), seconds=1.0)
    assert [kept.get(lambda: now[0]) for now[0] in (0.0, 0.9, 1.0, 1.5, 2.1)] == [0, 0, 1, 1, 2]


def test_probes_are_answered_whatever_host_they_name() -> None:
    request = RequestFactory().get("/livez", headers={"host": "10.1.2.3"})
    passed: list[str] = []

    def plain(request: HttpRequest) -> HttpResponse:
        passed.append(request.path)
        return HttpResponse("other")

    async def following(request: HttpRequest) -> HttpResponse:
        return plain(request)

    other = RequestFactory().get("/other")
    assert middleware.probes(plain)(request).status_code == 200
    assert middleware.probes(plain)(other).content == b"other"
    assert asyncio.run(middleware.probes(following)(request)).status_code == 200
    assert asyncio.run(middleware.probes(following)(other)).content == b"other"
    assert passed == ["/other", "/other"]


def test_a_statement_of_a_tool_is_bounded_in_time(tables: None) -> None:
    with session(name="test", statement_s=0.05) as connection, pytest.raises(psycopg.errors.QueryCanceled):
        connection.execute("select pg_sleep(5)")
