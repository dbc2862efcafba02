"""Ingest's p99 while the REST API is read by 8 clients without a pause, against the same without them."""

from __future__ import annotations

from bench import processes
from bench.figures import Figure
from bench.processes import BenchFailed
from bench.stage import Stage

CLIENTS = 8
PATHS = ("/subscriptions", "/events", "/deliveries")


def reading(stage: Stage) -> list[Figure]:
    subscriptions = stage.subscribe()
    with stage.hub.api(stage.players[0]) as api:
        there = [path for path in PATHS if api.get(path).status_code == 200]
    if not there:
        raise BenchFailed(f"none of {', '.join(PATHS)} can be read")
    seconds = stage.seconds(15, 4)
    warm = stage.load(connections=64, rate=1000, seconds=1)
    alone = stage.load(connections=64, rate=1000, seconds=seconds)
    paths = ",".join(f"/api/v1{path}" for path in there)
    reader = processes.start(processes.program(
        "bench.reader", "--url", stage.hub.url, "--key", stage.players[0].key, "--paths", paths, "--clients", CLIENTS
    ))  # fmt: skip
    try:
        processes.json_line(reader, within_s=10)
        meter = stage.meter()
        beside = stage.load(connections=64, rate=1000, seconds=seconds)
        meter.end(beside)
        reader.terminate()
        told = processes.json_line(reader, within_s=10)
    finally:
        processes.stop(reader)
    if any(status != "200" for status in told["statuses"]):
        raise BenchFailed(f"the API answered {told['statuses']}")
    stage.prove(subscriptions, warm, alone, beside)
    note = (
        f"p99 {alone['p99_ms']:g} ms alone, {beside['p99_ms']:g} ms beside {told['rate']:g} reads/s of"
        f" {', '.join(there)} (p99 {told['p99_ms']:g} ms, the reader's own CPU {told['cpu_s']:g} s)"
    )
    missing = [path for path in PATHS if path not in there]
    note += f"; not there yet: {', '.join(missing)}" if missing else ""
    return [Figure("ingest_while_api_read", beside["p99_ms"] / max(alone["p99_ms"], 0.001), note)]
