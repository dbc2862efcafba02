"""Every row of the table with its target, and the function that measures it. One function may give several rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.figures import Figure, Row
from bench.rows import (
    drain,
    folding,
    growth,
    ingest,
    isolation,
    path,
    pull,
    reading,
    replays,
    resting,
    searching,
    second,
    wal,
)
from bench.stage import Stage


@dataclass(frozen=True, slots=True)
class Measurement:
    """`fresh`: each run needs a hub of its own, with empty tables."""

    measure: Callable[[Stage], list[Figure]]
    rows: tuple[Row, ...]
    fresh: bool = False

    def named(self, names: frozenset[str]) -> bool:
        return not names or bool(names & {self.measure.__name__, *(row.name for row in self.rows)})


_ASGI, _BATCHES, _SQL = "bare ASGI", "bare ASGI, batches", "plain SQL"
_CLIENT, _TLS = "raw client", "raw client, TLS"
_LATENCY = "accepted to received at"

MEASUREMENTS = (
    Measurement(ingest.single, (Row("ingest_single", "durable ingest, single events, 64 connections", "events/s", 12_000, floor=_ASGI),)),
    Measurement(ingest.single_keys, (Row("ingest_single_keys", "the same with idempotency keys", "events/s", 10_000, floor=_ASGI),)),
    Measurement(ingest.p99_at_1000, (Row("ingest_p99_at_1000", "ingest p99 at 1,000/s", "ms", 12, less=True),)),
    Measurement(ingest.batch_100, (Row("ingest_batch_100", "durable ingest, batches of 100", "events/s", 40_000, floor=_SQL),)),
    Measurement(path.http, (Row("whole_path_http", "whole path, plain HTTP, 60 s, lag not growing", "events/s", 6_000, floor=_CLIENT),), fresh=True),
    Measurement(path.https, (Row("whole_path_https", "whole path, HTTPS, 60 s, lag not growing", "events/s", 4_000, floor=_TLS),), fresh=True),
    Measurement(path.fanout_10, (Row("fanout_10", "fan-out 10, lag not growing", "deliveries/s", 12_000, floor=_CLIENT),), fresh=True),
    Measurement(drain.drain_100000, (Row("drain_100000", "drain of 100,000 waiting deliveries", "deliveries/s", 10_000, floor=_CLIENT),)),
    Measurement(path.latency_200, (
        Row("latency_200_p50", f"{_LATENCY} 200/s, p50", "ms", 8, less=True),
        Row("latency_200_p99", f"{_LATENCY} 200/s, p99", "ms", 40, less=True),
    )),
    Measurement(path.latency_1000, (
        Row("latency_1000_p50", f"{_LATENCY} 1,000/s, p50", "ms", 8, less=True),
        Row("latency_1000_p99", f"{_LATENCY} 1,000/s, p99", "ms", 40, less=True),
    )),
    Measurement(isolation.isolation, (
        Row("isolation_rate", "healthy beside 100,000 dead and 50 hanging, its rate", "of alone", 0.9),
        Row("isolation_p99", "the same, its p99 at 1,000/s", "x alone", 2, less=True),
    ), fresh=True),
    Measurement(growth.growth, (
        Row("growth_cost", "CPU a delivery beside 1 M deliveries and 10,000 subscriptions", "x empty", 1.2, less=True),
        Row("growth_takeover", "take-over then, after kill -9 of the worker", "s", 2, less=True),
    ), fresh=True),
    Measurement(folding.folding, (
        Row("fold_lag", "read models behind the facts at 6,000 events/s, at worst", "s", 2, less=True),
        Row("fold_share", "whole path with folding", "of without", 0.9),
    ), fresh=True),
    Measurement(folding.dashboard, (
        Row("dashboard_p95", "30 days of an environment, from rows for 100 M attempts, p95", "ms", 50, less=True),
    )),
    Measurement(reading.reading, (Row("ingest_while_api_read", "ingest p99 at 1,000/s while 8 clients read the API", "x alone", 2, less=True),)),
    Measurement(pull.pull, (Row("pull", "fetching by one reader, 1,000 events a read", "events/s", 5_000),)),
    Measurement(replays.replay, (
        Row("replay_rate", "replay of 1 M events in bulk", "deliveries/s", 8_000, floor=_CLIENT),
        Row("replay_memory", "memory of the largest process meanwhile", "MiB", 300, less=True),
    ), fresh=True),
    Measurement(searching.searching, (
        Row("search_columns", "search by columns among 1 M deliveries, a page, p95 of the slowest query", "ms", 100, less=True),
        Row("search_body", "search by bodies, a page, p95 of the slowest query", "s", 1, less=True),
    ), fresh=True),
    Measurement(second.second_worker, (
        Row("second_worker_drain", "drain with a second worker process", "x one", 1.25),
        Row("second_worker_move", "until the second worker has its shards", "s", 5, less=True, worst=True),
        Row("second_worker_back", "until they are back after kill -9 of it", "s", 2, less=True),
        Row("second_worker_back_worst", "the same, worst run", "s", 12, less=True, worst=True),
    ), fresh=True),
    Measurement(resting.idle, (
        Row("idle_pss", "memory of everything when idle (PSS)", "MiB", 450, less=True),
        Row("idle_cpu", "CPU of everything when idle", "% of a core", 3, less=True),
    ), fresh=True),
    Measurement(wal.wal, (
        Row("wal_event", "write-ahead log an event", "KiB", 2.5, less=True),
        Row("wal_delivery", "write-ahead log a delivery", "KiB", 0.8, less=True),
    ), fresh=True),
)  # fmt: skip
