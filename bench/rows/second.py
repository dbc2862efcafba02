"""A second worker process on the same cores: what it adds to a drain, how soon it has its shards, how soon they come back."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from bench import processes
from bench.figures import Figure
from bench.processes import until
from bench.rows.drain import drain
from bench.stage import Stage

SHARDS = 64


def second_worker(stage: Stage) -> list[Figure]:
    hub, number = stage.hub, stage.size(100_000, 10_000)
    subscriptions = stage.subscribe()
    loads: list[dict[str, Any]] = []
    drain(stage, subscriptions, number // 5, loads)
    one = drain(stage, subscriptions, number, loads)
    old, begun = set(hub.owners()), time.monotonic()
    second = hub.another_worker()
    try:
        half = until(
            lambda: sum(held for pid, held in hub.owners().items() if pid not in old) >= SHARDS // 2,
            within_s=30, what="half the shards at the second worker", every_s=0.02,
        )  # fmt: skip
        moved = time.monotonic() - begun
        assert half
        theirs = {shard for shard, pid in hub.shards().items() if pid not in old}
        share = sum(1 for player in stage.players if player.shard in theirs)
        stage.hub.wait_until_quiet()
        two = drain(stage, subscriptions, number, loads)
        killed = time.monotonic()
        os.kill(second.pid, signal.SIGKILL)
        until(
            lambda: sum(held for pid, held in hub.owners().items() if pid in old) == SHARDS,
            within_s=60, what="all shards back at the first worker", every_s=0.02,
        )  # fmt: skip
        back = time.monotonic() - killed
    finally:
        processes.stop(second)
    note = f"one {one.rate:.0f}/s, two {two.rate:.0f}/s; {share} of {len(stage.players)} environments lay in the second's shards"
    return [
        Figure("second_worker_drain", two.rate / one.rate, f"{note}; {two.note()}"),
        Figure("second_worker_move", moved, "from its start as a process until it held half of the shards"),
        Figure("second_worker_back", back, "from kill -9 of it until the first held all"),
        Figure("second_worker_back_worst", back, "the worst of the runs"),
    ]
