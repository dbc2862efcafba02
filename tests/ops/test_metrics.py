"""/metrics: who may read it, and that what it says of the tables is so."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from hub.delivery.outcome import Reason
from hub.delivery.tally import Tally
from hub.ops import measures, metrics
from hub.ops.exposition import text
from hub.ops.health import Kept
from tests.ops.log import Log

Values = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "_kept", Kept(measures.measure, seconds=0))


def values(exposition: str) -> Values:
    found: Values = {}
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            found[sample.name.removeprefix("trunkline_"), tuple(sorted(sample.labels.items()))] = sample.value
    return found


@pytest.mark.parametrize(
    ("token", "authorization", "address", "forwarded", "allowed"),
    [
        ("", "", "127.0.0.1", False, True),
        ("", "", "::1", False, True),
        ("", "", "127.0.0.1", True, False),
        ("", "", "10.0.0.1", False, False),
        ("", "", "", False, False),
        ("", "Bearer ", "10.0.0.1", False, False),
        ("s3cret", "Bearer s3cret", "10.0.0.1", True, True),
        ("s3cret", "Bearer other", "127.0.0.1", False, False),
        ("s3cret", "", "127.0.0.1", False, False),
        ("s3cret", "Bearer s3crét", "127.0.0.1", False, False),
    ],
)
def test_who_may_read(token: str, authorization: str, address: str, forwarded: bool, allowed: bool) -> None:
    got = metrics.may_read(token=token, authorization=authorization, address=address, forwarded=forwarded)
    assert got is allowed


def test_strangers_get_a_problem_and_no_number(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    for answer in (
        Client(REMOTE_ADDR="203.0.113.7").get("/metrics"),
        Client(HTTP_X_FORWARDED_FOR="127.0.0.1").get("/metrics"),
    ):
        assert (answer.status_code, answer["Content-Type"]) == (403, "application/problem+json")
        assert "trunkline_" not in answer.content.decode()
    monkeypatch.setitem(settings.ENV, "METRICS_TOKEN", "s3cret")
    assert Client().get("/metrics").status_code == 403
    assert (
        Client(HTTP_AUTHORIZATION="Bearer s3cret", REMOTE_ADDR="203.0.113.7").get("/metrics").status_code
        == 200
    )


TELL = (
    "insert into ingest_status (process, stats, at) values (%s, %s, clock_timestamp() - %s * interval '1 s')"
)


def test_ingest_engines_and_tables_are_in_it(log: Log) -> None:
    log.do(TELL, "vm:1", json.dumps({"events": 5, "refused": 1, "commits": 2, "pending": 0}), 0)
    log.do(TELL, "vm:2", json.dumps({"events": 7}), 60)
    answer = Client().get("/metrics")
    found = values(answer.content.decode())
    assert answer["Content-Type"].startswith("text/plain; version=0.0.4")
    assert {key: value for key, value in found.items() if key[0] == "ingest_events_total"} == {
        ("ingest_events_total", (("process", "vm:1"),)): 5
    }
    assert found["deliveries_waiting", ()] == 0
    assert {name for name, _ in found if name == "measure_failed"}
    assert not any(value for (name, _), value in found.items() if name == "measure_failed")


def measured() -> Values:
    return values(text(measures.measure()))


def test_depth_is_counted(log: Log) -> None:
    a = log.events(3, 6)
    log.parcel(3, 1, a[:4])
    log.parcel(3, 2, a[:1])
    log.due(3, 1, a[4], late_s=5)
    log.due(3, 1, a[5])
    log.due(3, 2, a[5], held=True)
    found = measured()
    assert {name: found[name, ()] for name in ("deliveries_waiting", "parcels", "deliveries_retrying")} == {
        "deliveries_waiting": 5,
        "parcels": 2,
        "deliveries_retrying": 2,
    }
    assert (found["deliveries_held", ()], found["deliveries_overdue", ()]) == (1, 1)


def test_the_lag_of_each_shard_is_counted(log: Log) -> None:
    a = log.events(3, 5)
    log.route(3, a[:2], pairs=0, unmatched=a[:2])
    b = log.events(4, 2)
    log.route(4, b, pairs=0, unmatched=b)
    log.events(5, 1)
    found = measured()

    def of(name: str, shard: int) -> float:
        return found[name, (("shard", str(shard)),)]

    assert [of("routing_lag_events", s) for s in (3, 4, 5, 6)] == [3, 0, 1, 0]
    assert [of("routed_upto", s) for s in (3, 4, 5)] == [a[1], b[1], 0]
    assert of("routing_lag_seconds", 4) == 0
    assert 0 < of("routing_lag_seconds", 3) < 60


def test_the_last_state_of_each_breaker_counts(log: Log, db: None) -> None:
    found = measured()
    assert [found["breakers", (("state", state),)] for state in ("open", "half-open", "ramp")] == [0, 0, 0]
    assert measures.of_breakers([("closed", 3), ("open", 2)])[0].value == 2  # type: ignore[union-attr]


def test_a_large_backlog_is_estimated() -> None:
    waiting, parcels = measures.of_parcels([(2000, 10_000, 8000.0)])
    assert (waiting.value, parcels.value) == (40_000, 8000)  # type: ignore[union-attr]
    exact = measures.of_parcels([(1999, 10_000, 8000.0)])
    assert exact[0].value == 10_000  # type: ignore[union-attr]


def test_an_engine_tells_what_its_tally_counts(log: Log) -> None:
    tally = Tally()
    tally.attempt(Reason.delivered, 1500)
    tally.attempt(Reason.http_5xx, 2_000_000)
    tally.first(0.004)
    tally.routed_events = 7
    put = "insert into engine_status (engine, shards, stats, at) values (%s, %s, %s, clock_timestamp() - %s * interval '1 s')"
    log.do(put, "vm:1", [1, 2], json.dumps(tally.snapshot()), 1)
    log.do(put, "vm:2", [3], json.dumps(tally.snapshot()), 60)
    found = measured()
    one: Any = ("engine", "vm:1")
    assert found["engine_shards", (one,)] == 2
    assert found["attempts_total", (one, ("reason", "delivered"))] == 1
    assert found["attempts_total", (one, ("reason", "http-5xx"))] == 1
    assert found["attempt_seconds_count", (one,)] == 2
    assert found["accept_to_send_seconds_bucket", (one, ("le", "0.005"))] == 1
    assert found["routed_events_total", (one,)] == 7
    assert not any(("engine", "vm:2") in labels for _, labels in found)


def test_what_can_not_be_measured_is_told(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = (("slow", "select pg_sleep(60)", measures.of_days), *measures.MEASURES[:1])
    monkeypatch.setattr(measures, "MEASURES", broken)
    monkeypatch.setattr(measures, "STATEMENT_S", 0.05)
    found = measured()
    assert found["measure_failed", (("measure", "slow"),)] == 1
    assert found["measure_failed", (("measure", "engines"),)] == 0
