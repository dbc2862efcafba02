"""Durable ingest: how fast events are acknowledged. No subscription matches them, so that delivery takes no CPU from it;
they are routed all the same.
"""

from __future__ import annotations

from typing import Any

from bench.figures import Figure
from bench.processes import BenchFailed
from bench.stage import Stage

SINGLES = 64
BATCHERS = 16


def _run(stage: Stage, **options: Any) -> tuple[dict[str, Any], str]:
    seconds = stage.seconds(8, 3)
    meter = stage.meter()
    told = stage.load(seconds=seconds, warmup=stage.seconds(1, 0.5), **options)
    stage.settle([])
    meter.end(told)
    stored = stage.stored([p.env for p in stage.players])
    refused = told["requests"] - told["statuses"].get("202", 0)
    if stored < told["accepted"] or (stored > told["accepted"] and not refused):
        raise BenchFailed(f"{told['accepted']} events were acknowledged and {stored} are stored")
    note = f"p50 {told['p50_ms']:g} ms, p99 {told['p99_ms']:g} ms; {meter.note(told['accepted'])}"
    return told, note + (f"; answers {told['statuses']}" if refused else "")


def single(stage: Stage) -> list[Figure]:
    told, note = _run(stage, connections=SINGLES)
    return [Figure("ingest_single", told["rate"], note)]


def single_keys(stage: Stage) -> list[Figure]:
    told, note = _run(stage, connections=SINGLES, idempotency=True)
    return [Figure("ingest_single_keys", told["rate"], note)]


def p99_at_1000(stage: Stage) -> list[Figure]:
    told, note = _run(stage, connections=SINGLES, rate=1000)
    return [Figure("ingest_p99_at_1000", told["p99_ms"], note)]


def batch_100(stage: Stage) -> list[Figure]:
    told, note = _run(stage, connections=BATCHERS, batch=100)
    return [Figure("ingest_batch_100", told["rate"], note)]
