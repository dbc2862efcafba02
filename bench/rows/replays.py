"""Replay in bulk: how fast a million events go again, and whether whoever sends them grows meanwhile."""

from __future__ import annotations

import time
from typing import Any

from bench import history, processes
from bench.figures import Figure
from bench.processes import BenchFailed
from bench.stage import Stage

RATE = 50_000
PATIENCE_S = 900
MADE = "select count(*), count(distinct (sub, seq)) from attempt where run = %s and finish = 1"


def replay(stage: Stage) -> list[Figure]:
    """Deliveries of yesterday and today, each again to its own subscription."""
    number = stage.size(1_000_000, 40_000)
    history.reserve(stage.hub)
    past = stage.subscribe(type="bench.old")
    owners = {s.player.env: s.id for s in past}
    history.grow(stage.hub, stage.players, owners, deliveries=number, subscriptions=1)
    stage.hub.wait_until_quiet()
    jobs: list[tuple[Any, dict[str, Any]]] = []
    planning = time.monotonic()
    for player in stage.players:
        with stage.hub.api(player) as api:
            job = (
                api.post("/replays", json={"search": "type:bench.old", "rate": RATE})
                .raise_for_status()
                .json()
            )
            jobs.append((player, job))
    planned = time.monotonic() - planning
    meter = stage.meter()
    begun, largest = time.monotonic(), 0.0
    for player, job in jobs:
        with stage.hub.api(player) as api:
            api.post(f"/replays/{job['id']}/start").raise_for_status()
    open_jobs = list(jobs)
    while open_jobs:
        if time.monotonic() - begun > PATIENCE_S:
            raise BenchFailed(f"{len(open_jobs)} replays are not done after {PATIENCE_S} s")
        roles = stage.hub.roles()
        largest = max(
            largest,
            *(
                processes.pss_kib(pid) / 1024
                for role in ("worker", "pages", "web")
                for pid in roles.get(role, ())
            ),
        )
        with stage.hub.api(open_jobs[0][0]) as api:
            if api.get(f"/replays/{open_jobs[0][1]['id']}").json()["state"] == "done":
                open_jobs.pop(0)
                continue
        time.sleep(0.25)
    took = time.monotonic() - begun
    meter.end()
    made = [stage.hub.sql(MADE, job["run"])[0] for _, job in jobs]
    if sum(count for count, _ in made) != number or sum(different for _, different in made) != number:
        raise BenchFailed(f"{number} deliveries were to be replayed, {made} were")
    note = f"{number} deliveries in {took:.0f} s, {len(jobs)} jobs planned in {planned:.0f} s before; {meter.note(number, of='delivery')}"
    return [
        Figure("replay_rate", number / took, note),
        Figure("replay_memory", largest, "the largest process of worker, pages and web"),
    ]
