"""The same work in full tables: what a delivery costs beside a million old ones, and how soon a killed worker's is taken over."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from bench import history
from bench.figures import Figure
from bench.processes import BenchFailed
from bench.rows.drain import Drained, drain
from bench.stage import Stage, Subscription

SHARDS = 64
KILL_AFTER_S = 2.0
FLOWED = "select count(*) from attempt where env = any(%s) and at > to_timestamp(%s)"


def growth(stage: Stage) -> list[Figure]:
    """Needs a fresh hub."""
    history.reserve(stage.hub)
    live = stage.subscribe()
    loads: list[dict[str, Any]] = []
    number = stage.size(100_000, 10_000)
    # The first drain pays for what is only slow once; it is not compared.
    drain(stage, live, number // 5, loads)
    before = drain(stage, live, number, loads)
    deliveries, subscriptions = stage.size(1_000_000, 20_000), stage.size(10_000, 1_000)
    past = stage.subscribe(type="bench.old")
    owners = {s.player.env: s.id for s in past}
    history.grow(stage.hub, stage.players, owners, deliveries=deliveries, subscriptions=subscriptions)
    stage.hub.wait_until_quiet()
    after = drain(stage, live, number, loads)
    note = (
        f"hub's CPU {_cost_us(before):.0f} µs a delivery before, {_cost_us(after):.0f} with {deliveries} deliveries and"
        f" {subscriptions} subscriptions more ({before.rate:.0f} and {after.rate:.0f}/s); then {after.note()}"
    )
    return [Figure("growth_cost", _cost_us(after) / _cost_us(before), note), _take_over(stage, live, loads)]


def _cost_us(drained: Drained) -> float:
    return sum(drained.meter.used[name] for name in ("worker", "postgres", "web")) / drained.number * 1e6


def _take_over(stage: Stage, live: list[Subscription], loads: list[dict[str, Any]]) -> Figure:
    """kill -9 of the only worker under load; the supervisor starts another."""
    hub, envs = stage.hub, [s.player.env for s in live]
    old, begun = set(hub.owners()), time.monotonic()
    killed = wall = owned = flowing = 0.0

    def watch() -> None:
        nonlocal killed, wall, owned, flowing
        now = time.monotonic()
        if not killed:
            if now - begun > KILL_AFTER_S:
                killed, wall = now, time.time()
                hub.expected += ["worker | ended with -9"]
                os.kill(hub.worker(), signal.SIGKILL)
        elif not owned:
            if sum(held for pid, held in hub.owners().items() if pid not in old) == SHARDS:
                owned = now - killed
        elif not flowing and hub.number(FLOWED, envs, wall):
            flowing = now - killed

    told = stage.load(connections=8, rate=200, seconds=12, sample=watch, every_s=0.02)
    loads.append(told)
    if not flowing:
        raise BenchFailed(
            f"nothing was delivered within 10 s of kill -9 of the worker (shards owned after {owned:.1f} s)"
        )
    stats = stage.prove(live, *loads, killed=True)
    note = (
        f"kill -9 of the only worker at {told['rate']:.0f}/s, until deliveries flow, its start as a process included; all"
        f" shards owned after {owned:.2f} s; {stats['duplicates']} sent twice"
    )
    return Figure("growth_takeover", flowing, note)
