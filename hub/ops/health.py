"""Can this hub take events? `/livez` asks the process alone (a web process answers its own), `/readyz` what an event
needs to be kept.

Open to everyone, so it names no host, user or error text; the log does. A scrape a second costs no more than
one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import psycopg
from django.db.migrations.loader import MigrationLoader
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from hub.eventlog.partitions import LEAST_AHEAD_DAYS
from hub.ops.session import session

logger = logging.getLogger(__name__)

ENGINE_SILENT_S = 15
KEPT_S = 1.0
PARENTS = ("event", "attempt", "capture", "routed", "event_key")

WRITABLE = "select not pg_is_in_recovery() and current_setting('transaction_read_only') = 'off'"
MISSING_DAYS = """
select min(d)::date::text from generate_series(current_date, current_date + %(ahead)s, interval '1 day') d,
 unnest(%(parents)s::text[]) parent where to_regclass(parent || '_' || to_char(d, 'YYYYMMDD')) is null"""
INGEST = """
select count(*), count(*) filter (where (stats->>'available')::bool) from ingest_status
where at > clock_timestamp() - %(silent)s * interval '1 second'"""
ENGINES = """
select count(*) filter (where at > clock_timestamp() - %(silent)s * interval '1 second'),
       coalesce(sum(cardinality(shards)) filter (where at > clock_timestamp() - %(silent)s * interval '1 second'), 0)
from engine_status"""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. `vital`: without it the process takes no events. `do`: what a person does about
    it.
    """

    name: str
    ok: bool
    detail: str
    do: str = ""
    vital: bool = True


@lru_cache(maxsize=1)
def wanted_migrations() -> frozenset[tuple[str, str]]:
    """All that this version of the code brings; reads the files once."""
    return frozenset(MigrationLoader(None).disk_migrations)


def database_checks(connection: psycopg.Connection[tuple[Any, ...]]) -> list[Check]:
    """What the database says of itself. Raises psycopg.Error."""
    (writable,) = _row(connection, WRITABLE)
    applied = {(app, name) for app, name in connection.execute("select app, name from django_migrations")}
    missing = sorted(wanted_migrations() - applied)
    checks = [
        Check("database", bool(writable), "takes writes" if writable else "is read-only",
              "" if writable else "Point DATABASE_URL at the primary server."),
        Check("migrations", not missing, f"{len(missing)} not applied" if missing else "all applied",
              "Run `manage.py migrate` (as the owner, DATABASE_OWNER_URL)." if missing else ""),
    ]  # fmt: skip
    if missing:
        return checks
    (day,) = _row(connection, MISSING_DAYS, {"ahead": LEAST_AHEAD_DAYS, "parents": list(PARENTS)})
    checks.append(
        Check("partitions", day is None, f"none for {day}" if day else f"there for {LEAST_AHEAD_DAYS} days and more",
              "Start a worker, which makes them, or run `manage.py doctor`." if day else "")
    )  # fmt: skip
    processes, available = _row(connection, INGEST, {"silent": ENGINE_SILENT_S})
    checks.append(
        Check("ingest", available > 0, f"{available} of {processes} can write the log" if processes else "none alive",
              "" if available else "Start a web process: python -m hub.serve web; see its log if it runs.")
    )  # fmt: skip
    engines, shards = _row(connection, ENGINES, {"silent": ENGINE_SILENT_S})
    checks.append(
        Check("engine", engines > 0, f"{engines} alive, {shards} shards" if engines else "none alive: events are kept, and wait",
              "" if engines else "Start a worker: celery -A hub.celery worker --pool threads.", vital=False)
    )  # fmt: skip
    return checks


def _row(connection: psycopg.Connection[tuple[Any, ...]], sql: str, values: Any = None) -> tuple[Any, ...]:
    row = connection.execute(sql, values).fetchone()
    assert row is not None
    return row


def checks() -> list[Check]:
    """All of them, now."""
    try:
        with session(name="ready") as connection:
            return database_checks(connection)
    except psycopg.errors.UndefinedTable:
        return [Check("migrations", False, "the tables are not there", "Run `manage.py migrate`.")]
    except psycopg.Error as error:
        logger.warning("not ready: %s", str(error).strip())
        silent = Check(
            "database",
            False,
            "does not answer",
            "See the log and DATABASE_URL; `manage.py doctor` says more.",
        )
        return [silent]


class Kept:
    """The last result for a second; who comes while it is made anew waits for it."""

    def __init__(self, make: Callable[[], Any], *, seconds: float) -> None:
        self._make, self._seconds = make, seconds
        self._lock = threading.Lock()
        self._value: Any = None
        self._until = 0.0

    def get(self, now: Callable[[], float] = time.monotonic) -> Any:
        with self._lock:
            if now() >= self._until:
                self._value = self._make()
                self._until = now() + self._seconds
            return self._value


_kept = Kept(checks, seconds=KEPT_S)


def verdict(found: list[Check]) -> tuple[int, dict[str, Any]]:
    """(HTTP status, document): 503 if something vital is missing; "degraded" if only something else is."""
    status, word = 200, "ready"
    if any(not check.ok for check in found):
        word = "degraded"
    if any(not check.ok and check.vital for check in found):
        status, word = 503, "unavailable"
    listed = [
        {"name": c.name, "ok": c.ok, "detail": c.detail} | ({"do": c.do} if c.do else {}) for c in found
    ]
    return status, {"status": word, "checks": listed}


@require_safe
def livez(request: HttpRequest) -> JsonResponse:
    return _answer(200, {"status": "alive"})


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    return _answer(*verdict(_kept.get()))


def _answer(status: int, document: dict[str, Any]) -> JsonResponse:
    return JsonResponse(document, status=status, headers={"Cache-Control": "no-store"})
