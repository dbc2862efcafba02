"""Clients that read the REST API in loops while something else is measured. Loopback only; it changes nothing.

`python -m bench.reader --url … --key … --paths /api/v1/subscriptions,…` reads until SIGTERM, then prints one JSON line.
"""

from __future__ import annotations

import argparse
import json
import resource
import signal
import sys
import time
from array import array
from collections import Counter
from urllib.parse import urlsplit

from bench.clients import Client, Clients, loopback
from bench.wire import percentile


class Reading(Client):
    """One client: the next path as soon as the last answer is there."""

    __slots__ = ("clients", "latencies", "requests", "start_ns", "statuses", "turn")

    def __init__(
        self,
        clients: Clients,
        requests: list[bytes],
        turn: int,
        statuses: Counter[str],
        latencies: array[int],
    ) -> None:
        self.clients, self.requests, self.turn = clients, requests, turn
        self.statuses, self.latencies = statuses, latencies
        self.start_ns = 0

    def ask(self, now: int) -> None:
        self.turn = (self.turn + 1) % len(self.requests)
        self.start_ns = now
        self.clients.send(self, self.requests[self.turn])

    def answered(self, status: bytes, now: int) -> None:
        self.statuses[status.decode()] += 1
        self.latencies.append(now - self.start_ns)
        self.ask(now)

    def lost(self) -> None:
        self.statuses["lost"] += 1
        self.clients.open(self)
        self.ask(time.time_ns())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--paths", required=True, help="comma separated; clients take turns")
    parser.add_argument("--clients", type=int, default=8)
    options = parser.parse_args()
    parts = urlsplit(options.url)
    clients = Clients(loopback(parts.hostname or ""), parts.port or 80)

    def stop(*_: object) -> None:
        clients.stopped = True

    signal.signal(signal.SIGTERM, stop)
    head = f"HTTP/1.1\r\nhost: {parts.netloc}\r\nauthorization: Bearer {options.key}\r\n\r\n"
    requests = [f"GET {path} {head}".encode() for path in options.paths.split(",")]
    statuses: Counter[str] = Counter()
    latencies: array[int] = array("q")
    begun = time.time_ns()
    for turn in range(options.clients):
        reading = Reading(clients, requests, turn, statuses, latencies)
        clients.open(reading)
        reading.ask(begun)
    print(json.dumps({"reading": options.clients}), flush=True)
    while not clients.stopped:
        clients.run(time.time_ns() + 200_000_000)
    values = sorted(latencies)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(
        json.dumps({
            "requests": len(values),
            "statuses": dict(statuses),
            "rate": round(len(values) / ((time.time_ns() - begun) / 1e9), 1),
            "p50_ms": percentile(values, 0.5),
            "p99_ms": percentile(values, 0.99),
            "cpu_s": round(usage.ru_utime + usage.ru_stime, 3),
        })
    )  # fmt: skip
    sys.stdout.flush()


if __name__ == "__main__":
    main()
