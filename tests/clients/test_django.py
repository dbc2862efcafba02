"""The store and the view for Django, in a shop's own process on the hub's PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.clients import projects
from tests.clients.signing import request

SETTINGS = "tests.clients.shop.settings"


@dataclass
class Shop:
    url: str
    database: str

    def post(self, body: bytes, headers: dict[str, str]) -> int:
        return httpx.post(f"{self.url}/hook", content=body, headers=headers, timeout=10).status_code

    def rows(self) -> tuple[list[str], list[str]]:
        """(deliveries with an order, deliveries handled)."""
        with psycopg.connect(self.database) as connection:
            orders = connection.execute("select delivery from shop_order order by delivery").fetchall()
            handled = connection.execute("select id from trunkline_handled order by id").fetchall()
        return [id for (id,) in orders], [id for (id,) in handled]


@pytest.fixture(scope="module", params=["no", "yes"], ids=["plain", "with ATOMIC_REQUESTS"])
def shop(request: pytest.FixtureRequest, database: str) -> Iterator[Shop]:
    with projects.serving(projects.environment(SETTINGS, database, ATOMIC_REQUESTS=request.param)) as url:
        yield Shop(url, database)


@pytest.fixture(autouse=True)
def _empty(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "shop" in request.fixturenames:
        with psycopg.connect(request.getfixturevalue("database")) as connection:
            connection.execute("truncate shop_order, trunkline_handled")


def test_a_repeat_has_no_effect(shop: Shop) -> None:
    assert [shop.post(*request(id=id)) for id in ("a", "b", "a", "a")] == [204] * 4
    assert shop.rows() == (["a", "b"], ["a", "b"])


def test_a_view_that_raises_leaves_nothing_and_gets_it_again(shop: Shop) -> None:
    assert shop.post(*request({"raise": True}, id="a")) == 500
    assert shop.rows() == ([], [])
    assert shop.post(*request(id="a")) == 204
    assert shop.rows() == (["a"], ["a"])


@pytest.mark.parametrize(
    ("answer", "kept"), [(200, True), (202, True), (302, True), (400, False), (409, False), (503, False)]
)
def test_what_a_view_answers_says_whether_it_is_done(shop: Shop, answer: int, kept: bool) -> None:
    assert shop.post(*request({"answer": answer}, id="a")) == answer
    assert shop.rows() == ((["a"], ["a"]) if kept else ([], []))


def _changed(change: dict[str, str], body: bytes | None = None) -> Any:
    original, headers = request(id="a")
    return body or original, headers | change


@pytest.mark.parametrize(
    "refused",
    [
        _changed({}, b'{"id":"evt_1"}'),
        _changed({"webhook-signature": ""}),
        _changed({"webhook-timestamp": "noon"}),
        request(id="a", stamp=int(time.time()) - 400),
    ],
    ids=["another body", "no signature", "malformed", "old"],
)
def test_what_does_not_verify_is_refused_and_changes_nothing(shop: Shop, refused: Any) -> None:
    assert shop.post(*refused) == 401
    assert shop.rows() == ([], [])


def test_only_posts_are_taken(shop: Shop) -> None:
    assert httpx.get(f"{shop.url}/hook").status_code == 405


def test_of_many_at_once_one_acts(shop: Shop) -> None:
    sent = request(id="a")
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(lambda _: shop.post(*sent), range(12))) == [204] * 12
    assert shop.rows() == (["a"], ["a"])


TRIM = """
from datetime import timedelta
from django.utils import timezone
from trunkline_consumer.django import trim
from trunkline_consumer.django.models import Handled
for id, days in (("old", 31), ("older", 60), ("young", 29)):
    Handled.objects.create(id=id, at=timezone.now() - timedelta(days=days))
print(trim(), [row.id for row in Handled.objects.all()], trim(days=28))
"""


def test_old_ids_are_forgotten_and_others_kept(shop: Shop) -> None:
    assert projects.run(projects.environment(SETTINGS, shop.database), TRIM) == "2 ['young'] 1"


LIGHT = """
from django.core.management import call_command
from django.db import NotSupportedError, connections
from tests.clients.shop.models import Order
from tests.clients.signing import delivery
from trunkline_consumer.django import once, trim
call_command("migrate", database="light", run_syncdb=True, verbosity=0)
orders = Order.objects.using("light")
for id in ("a", "b", "a"):
    with once(delivery(id=id), using="light") as first:
        if first:
            orders.create(delivery=id)
try:
    with once(delivery(id="c"), using="light") as first:
        orders.create(delivery="c")
        raise ZeroDivisionError
except ZeroDivisionError:
    pass
print(sorted(row.delivery for row in orders.all()), trim(days=0, using="light"))
connections["light"].vendor = "mysql"
try:
    with once(delivery(id="a"), using="light"):
        print("it tried")
except NotSupportedError as refusal:
    print(refusal)
"""


def test_another_database_may_be_named_and_sqlite_will_do(database: str, tmp_path: Path) -> None:
    env = projects.environment(SETTINGS, database, SQLITE=str(tmp_path / "light"))
    assert projects.run(env, LIGHT).splitlines() == [
        "['a', 'b'] 2",
        "PostgreSQL and SQLite know ON CONFLICT DO NOTHING; mysql does not",
    ]
