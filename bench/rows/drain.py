"""Draining what waits: paused subscriptions are loaded and resumed, alone, after growth, and with a second worker."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.figures import Figure
from bench.processes import until
from bench.stage import Meter, Stage, Subscription

BATCH = 100


def fill(stage: Stage, subscriptions: Sequence[Subscription], number: int, **options: Any) -> dict[str, Any]:
    """Events into the backlog of paused subscriptions, all of them routed."""
    told = stage.load(connections=16, batch=BATCH, count=number, seconds=120, **options)
    until(lambda: not stage.waiting([]), within_s=60, what="the routing of the backlog")
    stage.hub.wait_until_quiet()
    return told


@dataclass(slots=True)
class Drained:
    """`rate`: deliveries a second from the first resume to the last one received. `meter`: from then to the last record."""

    rate: float
    meter: Meter
    number: int

    def note(self) -> str:
        return f"{self.number} deliveries; {self.meter.note(self.number, 'delivery')}"


def drain(
    stage: Stage, subscriptions: Sequence[Subscription], number: int, loads: list[dict[str, Any]]
) -> Drained:
    """Pause, load, resume. `loads`: all that these subscriptions were ever sent; this one is added."""
    stage.change(subscriptions, "pause")
    told = fill(stage, subscriptions, number)
    loads.append(told)
    meter, begun = stage.meter(), time.time()
    stage.change(subscriptions, "resume")
    stage.settle(subscriptions, within_s=120)
    meter.end()
    stats = stage.prove(subscriptions, *loads)
    last = max(stats["paths"][s.path]["last"] for s in subscriptions)
    return Drained(told["accepted"] / (last - begun), meter, told["accepted"])


def drain_100000(stage: Stage) -> list[Figure]:
    drained = drain(stage, stage.subscribe(), stage.size(100_000, 10_000), [])
    return [Figure("drain_100000", drained.rate, drained.note())]
