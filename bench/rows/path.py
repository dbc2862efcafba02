"""The whole path: accepted, routed, signed, sent, received and recorded, at the highest rate at which nothing piles up."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from bench.figures import Figure, grows
from bench.processes import BenchFailed
from bench.stage import Stage, Subscription

PROBED_CONNECTIONS = (32, 64)
# Without a bound on the rate, ten deliveries for each event would pile up for minutes.
PROBED_AT_FANOUT = (4, 8)
CLIMBED = (1.16, 1.08)
LESS_EACH_TRY = 0.93
TRIES = 5


def _probe(
    stage: Stage, subscriptions: Sequence[Subscription], loads: list[dict[str, Any]]
) -> tuple[float, int]:
    """Events a second that came through with the connections that gave most: where to begin."""
    best, chosen = 0.0, 0
    seconds = stage.seconds(6, 2)
    each = len(subscriptions) // len(stage.players)
    for connections in PROBED_CONNECTIONS if each == 1 else PROBED_AT_FANOUT:
        before = stage.attempts(subscriptions)
        told = stage.load(connections=connections, seconds=seconds)
        after = stage.attempts(subscriptions)
        stage.settle(subscriptions)
        loads.append(told)
        through = min(told["rate"], (after - before) / each / seconds)
        if through > best:
            best, chosen = through, connections
    # With more offered than comes through, ingest took CPU from delivery: held back a little, both may go higher.
    for share in CLIMBED:
        samples: list[int] = []
        told = stage.load(
            connections=chosen, seconds=seconds, rate=round(best * share, 1),
            sample=partial(_note, stage, subscriptions, samples), every_s=seconds / 12,
        )  # fmt: skip
        left = stage.waiting(subscriptions)
        stage.settle(subscriptions)
        loads.append(told)
        if told["rate"] > best and not grows([*samples[1:-1], left], rate=told["rate"] * each):
            return told["rate"], chosen
    return best, chosen


def sustained(stage: Stage, name: str, *, seconds: float, each: int = 1, tls: bool = False) -> Figure:
    subscriptions = stage.subscribe(each=each, tls=tls)
    loads: list[dict[str, Any]] = []
    rate, connections = _probe(stage, subscriptions, loads)
    for tried in range(TRIES):
        samples: list[int] = []
        meter = stage.meter()
        told = stage.load(
            connections=connections, seconds=seconds, rate=round(rate, 1),
            sample=partial(_note, stage, subscriptions, samples), every_s=max(0.3, seconds / 30),
        )  # fmt: skip
        left = stage.waiting(subscriptions)
        stage.settle(subscriptions)
        meter.end(told)
        loads.append(told)
        if not grows([*samples[1:-1], left], rate=told["rate"] * each):
            stage.prove(subscriptions, *loads, tls=tls)
            note = (
                f"{told['accepted']} events in {seconds:g} s on {connections} connections, {left} deliveries open at its"
                f" end (try {tried + 1}); {meter.note(told['accepted'])}"
            )
            return Figure(name, told["rate"] * each, note)
        rate = min(rate, told["rate"]) * LESS_EACH_TRY
    raise BenchFailed(f"what waits grew at every rate tried, last {rate / LESS_EACH_TRY:.0f}/s: {samples}")


def _note(stage: Stage, subscriptions: Sequence[Subscription], samples: list[int]) -> None:
    samples.append(stage.waiting(subscriptions))


def http(stage: Stage) -> list[Figure]:
    return [sustained(stage, "whole_path_http", seconds=stage.seconds(60, 5))]


def https(stage: Stage) -> list[Figure]:
    return [sustained(stage, "whole_path_https", seconds=stage.seconds(60, 5), tls=True)]


def fanout_10(stage: Stage) -> list[Figure]:
    return [sustained(stage, "fanout_10", seconds=stage.seconds(20, 4), each=10)]


def latency(stage: Stage, rate: int) -> list[Figure]:
    subscriptions = stage.subscribe()
    warm = stage.load(connections=16, seconds=1, rate=rate)
    stage.settle(subscriptions)
    stage.receiver.reset()
    meter = stage.meter()
    told = stage.load(connections=16, seconds=stage.seconds(20, 4), rate=rate)
    stage.settle(subscriptions)
    meter.end(told)
    stats = stage.receiver.stats()
    note = f"p95 {stats['p95_ms']:g}, max {stats['max_ms']:g} ms of {stats['timed']}; acknowledged p99 {told['p99_ms']:g} ms"
    note += f"; {meter.note(told['accepted'])}"
    attempts = stage.attempts(subscriptions)
    if (
        attempts != warm["accepted"] + told["accepted"]
        or stats["unique"] != told["accepted"]
        or stats["duplicates"]
    ):
        raise BenchFailed(
            f"{attempts} attempts of {warm['accepted']} + {told['accepted']} events, received {stats['unique']}"
        )
    return [
        Figure(f"latency_{rate}_p50", stats["p50_ms"], note),
        Figure(f"latency_{rate}_p99", stats["p99_ms"], note),
    ]


def latency_200(stage: Stage) -> list[Figure]:
    return latency(stage, 200)


def latency_1000(stage: Stage) -> list[Figure]:
    return latency(stage, 1000)
