"""What the hub takes while nothing happens: memory as PSS and CPU, of every process."""

from __future__ import annotations

import time

from bench import processes
from bench.figures import Figure
from bench.stage import Stage


def idle(stage: Stage) -> list[Figure]:
    subscriptions = stage.subscribe()
    told = stage.load(connections=16, rate=200, seconds=3)
    stage.prove(subscriptions, told)
    time.sleep(stage.seconds(10, 2))
    seconds = stage.seconds(20, 5)
    before, begun = stage.hub.cpu_s(), time.monotonic()
    time.sleep(seconds)
    after, took = stage.hub.cpu_s(), time.monotonic() - begun
    used = {name: (after[name] - before.get(name, 0.0)) / took * 100 for name in after}
    sizes = {name: sum(map(processes.pss_kib, pids)) / 1024 for name, pids in stage.hub.roles().items()}
    return [
        Figure(
            "idle_pss", sum(sizes.values()), ", ".join(f"{name} {size:.0f}" for name, size in _most(sizes))
        ),
        Figure(
            "idle_cpu", sum(used.values()), ", ".join(f"{name} {share:.2f}" for name, share in _most(used))
        ),
    ]


def _most(values: dict[str, float]) -> list[tuple[str, float]]:
    return sorted(values.items(), key=lambda pair: -pair[1])
