"""The examples of the kit's README, run as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import redis
from trunkline_consumer import Delivery, Verifier

from tests.clients import projects
from tests.clients.conftest import KIT, own_schema
from tests.clients.signing import SECRET, delivery, request
from tests.embedded import free_port
from tests.journeys.room import wait_until

SECTIONS = dict(
    re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", (KIT / "README.md").read_text(encoding="utf-8"), re.M | re.S)
)
ORDER = {"total": 19.5, "customer": "alice@example.com"}


@pytest.fixture
def database() -> Iterator[str]:
    """One for each example, since each makes the table in its own way."""
    with own_schema() as url:
        yield url


def blocks(section: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", SECTIONS[section], re.M | re.S)


def post(url: str, sent: tuple[bytes, dict[str, str]]) -> int | None:
    """The status, or None while nobody listens."""
    body, headers = sent
    try:
        return httpx.post(url, content=body, headers=headers, timeout=10).status_code
    except httpx.ConnectError:
        return None


def test_verifying() -> None:
    (block,) = blocks("Verifying")
    body, headers = request(ORDER)
    seen: dict[str, Any] = {"body": body, "headers": headers}
    exec(block.replace("whsec_…", SECRET), seen)
    assert isinstance(seen["verifier"], Verifier)
    assert isinstance(seen["delivery"], Delivery)
    assert seen["delivery"].data == ORDER


def test_postgresql_with_psycopg(database: str) -> None:
    (block,) = blocks("PostgreSQL, with psycopg")
    port = free_port()
    env = {
        **os.environ, "PYTHONPATH": str(KIT), "PORT": str(port), "DATABASE_URL": database, "TRUNKLINE_SECRET": SECRET
    }  # fmt: skip
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("create table orders (total numeric)")
        process = subprocess.Popen([sys.executable, "-c", block], env=env, stderr=subprocess.DEVNULL)
        try:
            sent, url = request(ORDER), f"http://127.0.0.1:{port}/"
            assert wait_until(lambda: post(url, sent), what="the receiver's start") == 204
            assert [post(url, sent), post(url, request(ORDER))] == [204, 204]
            assert post(url, (sent[0] + b" ", sent[1])) == 401
            assert connection.execute("select total::float from orders").fetchall() == [(19.5,), (19.5,)]
        finally:
            process.kill()
            process.wait()


def test_django(database: str, tmp_path: Path) -> None:
    settings, views = blocks("Django")
    (tmp_path / "shop").mkdir()
    files = {
        "settings.py": "import os\nfrom tests.clients.shop.settings import *\n"
        'INSTALLED_APPS = ["shop"]\nROOT_URLCONF = "shop.urls"\n'
        'DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"\n' + settings,
        "models.py": "from django.db import models\nclass Order(models.Model):\n    total = models.FloatField()\n",
        "views.py": views,
        "urls.py": "from django.urls import path\nfrom shop import views\nurlpatterns = [path('', views.received)]\n",
    }
    for name, text in files.items():
        (tmp_path / "shop" / name).write_text(text)
    env = projects.environment("shop.settings", database, tmp_path, TRUNKLINE_SECRET=SECRET)
    with projects.serving(env) as url:
        sent = request(ORDER)
        assert [post(url, sent), post(url, sent), post(url, request(ORDER))] == [204, 204, 204]
        assert post(url, (sent[0] + b" ", sent[1])) == 401
    with psycopg.connect(database) as connection:
        assert connection.execute("select total from shop_order").fetchall() == [(19.5,), (19.5,)]


def test_redis(client: redis.Redis) -> None:
    (block,) = blocks("Redis")
    mails: list[str] = []
    seen: dict[str, Any] = {"send_mail": lambda to, _: mails.append(to)}
    exec(block, seen)
    counted, written = delivery(ORDER), delivery(ORDER)
    try:
        for _ in range(2):
            seen["count"](counted)
            seen["write"](written)
        assert client.get("turnover") == b"19.5"
        assert mails == ["alice@example.com"]
    finally:
        client.delete("turnover", *(f"trunkline:handled:{one.id}" for one in (counted, written)))
        seen["client"].close()


def test_no_example_is_left_out() -> None:
    tried = sum(
        len(blocks(section)) for section in ("Verifying", "PostgreSQL, with psycopg", "Django", "Redis")
    )
    assert (KIT / "README.md").read_text(encoding="utf-8").count("```python") == tried
