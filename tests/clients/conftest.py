"""A schema and keys of a test's own, and deliveries as a receiver has verified them."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import redis
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

KIT = Path(__file__).resolve().parents[2] / "clients" / "python"


@contextmanager
def own_schema() -> Iterator[str]:
    """A connection string whose search path is an empty schema, dropped afterwards."""
    schema = f"receiver_{uuid.uuid4().hex[:12]}"
    url = os.environ["DATABASE_URL"]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SQL("create schema {}").format(Identifier(schema)))
        yield make_conninfo(url, options=f"-csearch_path={schema}")
        connection.execute(SQL("drop schema {} cascade").format(Identifier(schema)))


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with own_schema() as url:
        yield url


@pytest.fixture
def client() -> Iterator[redis.Redis]:
    """The hub's Valkey; the keys of a test begin with its own `prefix`."""
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as made:
        yield made


@pytest.fixture
def prefix(client: redis.Redis) -> Iterator[str]:
    made = f"receiver:{uuid.uuid4().hex}:"
    yield made
    if keys := list(client.scan_iter(match=made + "*")):
        client.delete(*keys)
