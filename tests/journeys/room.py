"""A tenant of a test's own in the running hub, and what a partner does there over HTTP. It never reaches into the hub's memory."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg

from hub.core import ids
from hub.tenants import keys
from hub.tenants.roles import EVERYTHING
from tests.conftest import Hub

TENANT = "insert into tenants_tenant (uid, name, slug) values (%s, %s, %s) returning id"
ENVIRONMENT = """insert into tenants_environment (uid, tenant_id, name, kind, shard)
values (%s, %s, 'test', 'test', floor(random() * 64)) returning id, shard"""
KEY = """insert into tenants_apikey (uid, environment_id, consumer_id, name, prefix, hash, scopes, rate_limit)
values (%s, %s, %s, 'journey', %s, %s, %s, %s)"""


def wait_until(true: Callable[[], Any], *, seconds: float = 10, what: str = "it") -> Any:
    """Poll until something true comes back."""
    until = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < until, f"{what} did not happen within {seconds} s"
        time.sleep(0.02)
    return found


@dataclass
class Room:
    """One tenant with one environment."""

    hub: Hub
    tenant: int
    env: int
    shard: int
    key: str
    api: httpx.Client
    subscriptions: list[str] = field(default_factory=list)

    def key_for(
        self, *, consumer: int | None = None, scopes: Any = EVERYTHING, rate: int | None = None
    ) -> str:
        """Another key of this environment."""
        made = keys.make(kind="test", random=os.urandom(32))
        values = (ids.new_id("key"), self.env, consumer, made.prefix, made.hash, sorted(scopes), rate)
        with psycopg.connect(self.hub.database) as session:
            session.execute(KEY, values)
        return made.text

    def subscribe(self, url: str, *patterns: str, **more: Any) -> dict[str, Any]:
        answer = self.api.post(
            "/subscriptions", json={"url": url, "patterns": list(patterns) or ["*"], **more}
        )
        assert answer.status_code == 201, answer.text
        self.subscriptions.append(answer.json()["id"])
        return answer.json()

    def post(self, type: str = "order.created", data: Any = None, **more: Any) -> str:
        answer = self.api.post("/events", json={"type": type, "data": data or {"id": 1}, **more})
        assert answer.status_code == 202, answer.text
        return answer.json()["id"]

    def rows(self, sql: str, *values: Any) -> list[tuple]:
        return self.hub.rows(sql, *values)

    def number(self, subscription: str) -> int:
        return self.rows("select id from subscriptions_subscription where uid = %s", subscription)[0][0]

    def attempts(self, subscription: str) -> list[tuple]:
        """(seq, n, http, reason, finish) of a subscription, oldest first."""
        return self.rows(
            "select seq, n, http, reason, finish from attempt where sub = %s order by pos",
            self.number(subscription),
        )

    def settled(self, subscription: str, count: int, *, seconds: float = 10) -> list[tuple]:
        """Attempts once there are that many."""
        return wait_until(
            lambda: found if len(found := self.attempts(subscription)) >= count else None,
            seconds=seconds, what=f"{count} attempts",
        )  # fmt: skip

    def waiting(self, subscription: str) -> int:
        """Deliveries without an end."""
        number = self.number(subscription)
        return self.rows(
            "select (select coalesce(sum(cardinality(seqs)), 0) from parcel where sub = %s)"
            " + (select count(*) from due where sub = %s)", number, number,
        )[0][0]  # fmt: skip

    def leave(self) -> None:
        for uid in self.subscriptions:
            with suppress(httpx.HTTPError):
                self.api.delete(f"/subscriptions/{uid}")
        self.api.close()


def enter(hub: Hub) -> Room:
    """Make the tenant; straight into the tables, since a hub's first rows have no API."""
    uid = ids.new_id("ten")
    with psycopg.connect(hub.database) as session:
        (tenant,) = session.execute(TENANT, (uid, uid, uid[4:])).fetchone()  # type: ignore[misc]
        env, shard = session.execute(ENVIRONMENT, (ids.new_id("env"), tenant)).fetchone()  # type: ignore[misc]
    room = Room(hub, tenant, env, shard, "", hub.client())
    room.key = room.key_for(rate=100_000)
    room.api = hub.client(room.key)
    return room
