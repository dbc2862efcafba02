"""Fixtures every test may use: the running hub, and databases that can be flushed."""

from __future__ import annotations

import json
import os
import random
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import pytest
from django.db import connection

from tests import embedded


@dataclass(frozen=True)
class Hub:
    """A running hub: where it is, a key of its demo tenant's test environment, and its database."""

    url: str
    key: str
    database: str
    local: Path

    def client(self, key: str | None = None) -> httpx.Client:
        return httpx.Client(
            base_url=f"{self.url}/api/v1", headers={"Authorization": f"Bearer {key or self.key}"}, timeout=20
        )

    def rows(self, sql: str, *values: object) -> list[tuple]:
        with psycopg.connect(self.database, autocommit=True) as session:
            return session.execute(sql, values).fetchall()


def wait_for_hub(local: Path, port: int, database: str, *, seconds: float = 60) -> Hub:
    """Until the hub has made its demo tenant and answers."""
    until = time.monotonic() + seconds
    url = f"http://127.0.0.1:{port}"
    while True:
        try:
            demo = json.loads((local / "demo.json").read_text())
            if httpx.get(f"{url}/readyz", timeout=2).status_code == 200:
                return Hub(url, demo["test_key"], database, local)
        except (OSError, ValueError, httpx.HTTPError):
            pass
        if time.monotonic() > until:
            raise AssertionError((local / "hub.log").read_text()[-3000:])
        time.sleep(0.05)


@pytest.fixture(scope="session")
def hub() -> Hub:
    """The hub that all journeys share; each makes a tenant of its own in it."""
    serving = os.environ["TRUNKLINE_TEST_SERVING"]
    return wait_for_hub(embedded.LOCAL, int(os.environ["TRUNKLINE_TEST_PORT"]), serving)


@pytest.fixture(autouse=True)
def _flushable(request: pytest.FixtureRequest) -> None:
    """The documented door through the append-only guard: tests that flush say so in their own session."""
    if "transactional_db" in request.fixturenames or "django_db_reset_sequences" in request.fixturenames:
        with connection.cursor() as cursor:
            cursor.execute("set hub.allow_truncate = 'on'")


@pytest.fixture
def log_database(db: None) -> str:
    """A migrated database for sessions of the hot path, which commit for themselves. Tests take an environment and a
    shard of their own in it instead of flushing what others wrote. Gives its connection string.
    """
    entry = connection.settings_dict
    assert entry["NAME"].startswith("test_")
    return f"postgresql://{entry['USER']}@/{entry['NAME']}?host={entry['HOST']}&port={entry['PORT']}"


@pytest.fixture
def own_env() -> int:
    """An environment number nobody else uses."""
    return random.randrange(1_000_000, 2_000_000_000)
