"""Statistics through the API: whose they are, over which time, and how bad questions are answered."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hub.insights import histogram
from hub.insights.cells import Grain, Kind, Shape
from hub.insights.figures import floor
from hub.insights.folds import DELIVERIES, EVENTS
from hub.subscriptions.models import Subscription
from hub.tenants.models import Environment
from tests.api.client import Api
from tests.cast import Cast
from tests.eventlog.rows import insert

NOW = datetime.now(UTC)


def cell(
    shape: Shape,
    environment: Environment,
    kind: Kind,
    ref: str,
    at: datetime,
    *,
    shard: int = 1,
    **values: Any,
) -> None:
    """In the minute, the hour and the day of `at`."""
    maps: Mapping[str, dict[int, int]] = {name: values.pop(name, {}) for name in shape.maps}
    for grain in Grain:
        insert(
            shape.table, env=environment.id, kind=int(kind), ref=ref, grain=int(grain), at=floor(at, grain), shard=shard,
            **{**dict.fromkeys(shape.sums + shape.most, 0), **values}, **{name: histogram.encode(map) for name, map in maps.items()},
        )  # fmt: skip


@pytest.fixture
def busy(cast: Cast, alice: Api) -> str:
    """An environment with cells of two shards, one consumer and a subscription, whose id it gives."""
    live = cast.alice.live
    made = alice.post("/subscriptions", {"url": "https://hooks.example.com/", "patterns": ["*"]}).json()["id"]
    from_shard = {"attempts": 4, "failures": 1, "delivered": 3, "reasons": {0: 3, 20: 1}, "latency": {histogram.index(50_000): 4},
                  "latency_us": 200_000, "slowest_us": 50_000}  # fmt: skip
    cell(DELIVERIES, live, Kind.environment, "", NOW - timedelta(hours=2), **from_shard)
    cell(
        DELIVERIES,
        live,
        Kind.environment,
        "",
        NOW - timedelta(hours=2),
        **{**from_shard, "shard": 2, "attempts": 6},
    )
    cell(
        DELIVERIES, live, Kind.environment, "", NOW - timedelta(days=40), **{**from_shard, "attempts": 1_000}
    )
    cell(EVENTS, live, Kind.environment, "", NOW - timedelta(hours=2), events=7, bytes=70, unmatched=2)
    cell(DELIVERIES, live, Kind.consumer, str(cast.acme.id), NOW - timedelta(hours=2), attempts=5, failures=1)
    cell(DELIVERIES, live, Kind.type, "order.paid", NOW - timedelta(hours=2), attempts=9)
    number = Subscription.objects.get(uid=made).id
    cell(
        DELIVERIES,
        live,
        Kind.subscription,
        str(number),
        NOW - timedelta(hours=2),
        attempts=8,
        failures=8,
        dead=2,
    )
    return made


def test_a_day_of_an_environment_adds_up_over_its_shards(alice: Api, busy: str) -> None:
    found = alice.get("/statistics").json()
    assert found["grain"] == "hour"
    total = found["total"]
    assert (
        total["attempts"],
        total["failures"],
        total["delivered"],
        total["events"],
        total["unmatched"],
    ) == (10, 2, 6, 7, 2)
    assert total["reasons"] == {"http-5xx": 2}
    assert total["latency"] == {"p50": 49.664, "p95": 49.664, "p99": 49.664, "mean": 50.0, "max": 50.0}
    assert total["lag"]["p50"] is None
    assert len(found["series"]) in (24, 25)
    assert [point["attempts"] for point in found["series"] if point["attempts"]] == [10]


def test_a_point_for_every_moment_in_the_order_of_time(alice: Api, busy: str) -> None:
    found = alice.get("/statistics?since=60d&grain=day").json()
    moments = [point["at"] for point in found["series"]]
    assert moments == sorted(set(moments))
    assert len(moments) == 61
    assert found["total"]["attempts"] == 1_010
    assert sum(point["attempts"] for point in found["series"]) == 1_010


@pytest.mark.parametrize(
    ("query", "attempts"),
    [
        ("type=order.paid", 9),
        ("type=order.none", 0),
        ("consumer=acme", 5),
        ("since=1h", 0),
        ("since=3h&until=1h", 10),
    ],
)
def test_it_may_be_narrowed(alice: Api, busy: str, query: str, attempts: int) -> None:
    assert alice.get(f"/statistics?{query}").json()["total"]["attempts"] == attempts


def test_a_subscription_has_its_own_and_keeps_it_when_it_is_deleted(alice: Api, busy: str) -> None:
    assert alice.get(f"/statistics?subscription={busy}").json()["total"]["dead"] == 2
    alice.delete(f"/subscriptions/{busy}")
    assert alice.get(f"/statistics?subscription={busy}").json()["total"]["attempts"] == 8


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("since=1h&until=2h", "before until"),
        ("since=yesterday", "RFC 3339"),
        ("grain=minutes", "did you mean minute"),
        ("since=30d&grain=minute", "take day"),
        ("type=a&consumer=acme", "leave one"),
        ("sinse=1h", "since"),
    ],
)
def test_a_bad_question_is_told_what_to_change(alice: Api, query: str, words: str) -> None:
    answer = alice.get(f"/statistics?{query}")
    assert answer.status_code == 400
    assert words in answer.json()["detail"]


def test_the_most_come_first_and_who_has_nothing_is_left_out(alice: Api, busy: str) -> None:
    found = alice.get("/statistics/top?by=subscription&order=dead").json()["data"]
    assert [(row["id"], row["dead"], row["attempts"]) for row in found] == [(busy, 2, 8)]
    assert alice.get("/statistics/top?by=type&order=attempts").json()["data"][0]["id"] == "order.paid"
    assert alice.get("/statistics/top?by=type").json()["data"] == []
    assert alice.get("/statistics/top?by=consumer&since=60d").json()["data"][0]["attempts"] == 5
    assert alice.get("/statistics/top").status_code == 400
    assert "did you mean" in alice.get("/statistics/top?by=consumers").json()["detail"]


def test_a_consumers_key_has_its_own_alone(acme: Api, busy: str) -> None:
    assert acme.get("/statistics").json()["total"]["attempts"] == 5
    assert acme.get("/statistics?type=order.paid").status_code == 403
    assert acme.get("/statistics/top?by=type").status_code == 403
    assert acme.get(f"/statistics?subscription={busy}").status_code == 404
    assert acme.get("/statistics?consumer=globex").status_code == 404
