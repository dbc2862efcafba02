"""Fetching a backlog from one position: one reader on one connection, reading and acknowledging in turns."""

from __future__ import annotations

import json
import time

import httpx

from bench.figures import Figure
from bench.processes import BenchFailed
from bench.rows.drain import BATCH
from bench.stage import Stage

NAME = "bench"
LIMIT = 1000


def pull(stage: Stage) -> list[Figure]:
    player = stage.players[0]
    with stage.hub.api(player) as api:
        _answer(api, "", name=NAME)
        told = stage.load(
            players=[player], connections=16, batch=BATCH, count=stage.size(100_000, 10_000), seconds=120
        )
        stage.settle([])
        stage.hub.wait_until_quiet()
        meter, begun = stage.meter(), time.monotonic()
        seen: list[str] = []
        offsets: list[int] = []
        reads = 0
        while len(seen) < told["accepted"]:
            batch = _answer(api, f"/{NAME}/read", limit=LIMIT, wait=5)
            if batch["lease"] is None:
                break
            _answer(api, f"/{NAME}/ack", lease=batch["lease"])
            seen += [event["id"] for event in batch["events"]]
            offsets += [event["offset"] for event in batch["events"]]
            reads += 1
        took = time.monotonic() - begun
        meter.end()
    if not len(seen) == len(set(seen)) == told["accepted"] or offsets != sorted(offsets):
        raise BenchFailed(
            f"{told['accepted']} events were accepted and {len(seen)} fetched, {len(set(seen))} different ones"
        )
    pages = meter.used.get("pages", 0.0) / len(seen) * 1e6
    note = f"{reads} reads of up to {LIMIT}; pages {pages:.0f}, {meter.note(len(seen))}"
    return [Figure("pull", len(seen) / took, note)]


def _answer(api: httpx.Client, path: str, **body: object) -> dict:
    answer = api.post(f"/consumption{path}", json=body)
    if not answer.is_success:
        raise BenchFailed(f"{path or 'the position'} was refused: {answer.status_code} {answer.text[:300]}")
    found: dict = json.loads(answer.content)
    return found
