"""A healthy subscription beside a dead endpoint's backlog and hanging endpoints, in the same environments and shards."""

from __future__ import annotations

from typing import Any

from bench.figures import Figure
from bench.processes import BenchFailed, until
from bench.rows.drain import fill
from bench.stage import Stage, Subscription

HANGING = 50
HANG_EACH = 100
CONNECTIONS = 32


def _healthy(
    stage: Stage, subscriptions: list[Subscription], loads: list[dict[str, Any]]
) -> tuple[float, float, str]:
    """(deliveries a second at full speed, p99 from accepted to received at 1,000/s, CPU of the former)."""
    paths = {s.path for s in subscriptions}
    loads.append(stage.load(connections=CONNECTIONS, seconds=1))
    stage.settle(subscriptions)
    stage.receiver.reset()
    meter = stage.meter()
    loads.append(stage.load(connections=CONNECTIONS, seconds=stage.seconds(10, 3)))
    stage.settle(subscriptions)
    cpu = meter.end(loads[-1]).note(loads[-1]["accepted"])
    found = _received(stage, paths, loads[-1])
    rate = sum(f["count"] for f in found) / (max(f["last"] for f in found) - min(f["first"] for f in found))
    stage.receiver.reset()
    loads.append(stage.load(connections=16, seconds=stage.seconds(10, 3), rate=1000))
    stage.settle(subscriptions)
    found = _received(stage, paths, loads[-1])
    return rate, sum(f["p99_ms"] * f["count"] for f in found) / max(sum(f["count"] for f in found), 1), cpu


def _received(stage: Stage, paths: set[str], load: dict[str, Any]) -> list[dict[str, Any]]:
    """What the healthy endpoints saw of this load: everything, once."""
    found = [summary for path, summary in stage.receiver.stats()["paths"].items() if path in paths]
    received, doubled = sum(f["unique"] for f in found), sum(f["duplicates"] for f in found)
    if received != load["accepted"] or doubled:
        raise BenchFailed(f"{load['accepted']} healthy events: {received} received, {doubled} twice")
    return found


def _called(stage: Stage, subscriptions: list[Subscription]) -> int:
    paths = stage.receiver.stats()["paths"]
    return sum(1 for s in subscriptions if paths.get(s.path, {}).get("count"))


def isolation(stage: Stage) -> list[Figure]:
    healthy = stage.subscribe()
    loads: list[dict[str, Any]] = []
    alone = _healthy(stage, healthy, loads)
    dead = stage.subscribe(stage.players[:1], mode="dead", type="bench.dead")
    # The timeout is as long as one may be, so that they hang for as long as the healthy one is measured.
    spread = [stage.players[index % len(stage.players)] for index in range(HANGING)]
    hanging = []
    for player in stage.players:
        hanging += stage.subscribe(
            [player], mode="hang", type="bench.hang", each=spread.count(player), timeout_s=60
        )
    backlog = stage.size(100_000, 10_000)
    filled = fill(stage, dead, backlog, players=stage.players[:1], type="bench.dead")
    stage.load(connections=8, count=HANG_EACH * len(stage.players), seconds=60, type="bench.hang")
    until(
        lambda: _called(stage, hanging) == len(hanging),
        within_s=10,
        what="a request at every hanging endpoint",
    )
    beside = _healthy(stage, healthy, loads)
    held = min(stage.waiting(dead), filled["accepted"])
    attempts, delivered, different = stage.hub.sql(
        "select count(*), count(*) filter (where finish = 1), count(distinct (sub, seq)) from attempt where sub = any(%s)",
        [s.id for s in healthy],
    )[0]
    stage.change([*dead, *hanging], "delete")
    accepted = sum(load["accepted"] for load in loads)
    if not attempts == delivered == different == accepted:
        raise BenchFailed(
            f"{accepted} healthy events: {attempts} attempts, {delivered} delivered, {different} different"
        )
    note = (
        f"alone {alone[0]:.0f}/s and {alone[1]:.1f} ms, beside {beside[0]:.0f}/s and {beside[1]:.1f} ms;"
        f" {held} of {filled['accepted']} dead ones waited, {len(hanging)} endpoints hung;"
        f" alone {alone[2]}; beside {beside[2]}"
    )
    return [
        Figure("isolation_rate", beside[0] / alone[0], note),
        Figure("isolation_p99", beside[1] / max(alone[1], 0.001), note),
    ]
