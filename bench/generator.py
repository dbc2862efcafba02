"""Load on the hub's ingest: raw HTTP/1.1 connections, each with one request in flight. Loopback only.

`python -m bench.generator --url … --keys …` prints one JSON line: counts, rate, latency percentiles in ms, CPU seconds.
It never retries: a refusal is counted as one.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import resource
import sys
import time
from array import array
from collections import Counter
from urllib.parse import urlsplit

from bench.clients import Client, Clients, loopback
from bench.wire import Shape, Template, percentile, template

_now = time.time_ns
REFUSED_PAUSE_NS = 50_000_000
PATIENCE_NS = 30_000_000_000


class Load:
    """Sends until `count` events or `seconds` are over; `rate` 0 = as fast as the connections allow."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.batch: int = options.batch
        self.interval_ns = (
            int(1e9 * options.connections * options.batch / options.rate) if options.rate else 0
        )
        self.statuses: Counter[str] = Counter()
        self.accepted = self.good = 0
        self.latencies = array("q")
        self.left: int = -(-options.count // options.batch) if options.count else sys.maxsize
        self.active = 0
        self.measured_ns = self.until_ns = 0
        parts = urlsplit(options.url)
        self.host = parts.netloc
        self.clients = Clients(loopback(parts.hostname or ""), parts.port or 80)

    def run(self) -> dict[str, object]:
        o = self.options
        keys = o.keys.split(",")
        shape = Shape(o.type, o.body, o.batch, f"{o.seed}" if o.idempotency else "")
        pads = random.Random(o.seed)
        sources = []
        for index in range(o.connections):
            key = keys[index % len(keys)]
            sources.append(
                Source(self, template(shape=shape, host=self.host, key=key, name=index, random=pads))
            )
            self.clients.open(sources[-1])
        cpu = _cpu_s()
        begun = _now()
        self.measured_ns = begun + int(o.warmup * 1e9)
        self.until_ns = self.measured_ns + int(o.seconds * 1e9)
        self.active = len(sources)
        for index, source in enumerate(sources):
            source.due_ns = begun + self.interval_ns * index // o.connections
            source.next(begun)
        self.clients.run(self.until_ns + PATIENCE_NS)
        # What a whole-path run needs to be told apart is the rate while it was measured, not the wait for the last answers.
        ended_ns = min(_now(), self.until_ns)
        used = _cpu_s() - cpu
        values = sorted(self.latencies)
        took = max((ended_ns - self.measured_ns) / 1e9, 1e-9)
        requests = sum(self.statuses.values()) + self.good
        statuses = dict(self.statuses) | ({"202": self.good} if self.good else {})
        return {
            "accepted": self.accepted,
            "requests": requests,
            "statuses": statuses,
            "unanswered": self.active,
            "seconds": round(took, 3),
            "rate": round(len(values) * self.batch / took, 1),
            "p50_ms": percentile(values, 0.5),
            "p99_ms": percentile(values, 0.99),
            "max_ms": percentile(values, 1.0),
            "cpu_s": round(used, 3),
            "cpu_us_a_request": round(used / max(requests, 1) * 1e6, 1),
        }

    def ended(self, source: Source) -> None:
        self.clients.close(source)
        self.active -= 1
        if not self.active:
            self.clients.stopped = True


class Source(Client):
    """One keep-alive connection. An answer starts the next request, by way of its schedule if there is one."""

    __slots__ = ("due_ns", "load", "number", "start_ns", "template")

    def __init__(self, load: Load, template: Template) -> None:
        self.load, self.template = load, template
        self.number = self.start_ns = self.due_ns = 0

    def next(self, now: int) -> None:
        load = self.load
        if now >= load.until_ns or not load.left:
            load.ended(self)
            return
        if load.interval_ns:
            if self.due_ns > now:
                load.clients.at(self.due_ns, self._due)
                return
            # Late because the answer before it was late: measured from the schedule, so that a stall shows in every
            # request it delayed.
            now = self.due_ns
        self._send(now)

    def _due(self, now: int) -> None:
        load = self.load
        if self.socket.fileno() < 0:
            return
        if now >= load.until_ns or not load.left:
            load.ended(self)
        else:
            # A timer's own lateness is the generator's and not the hub's.
            self._send(now)

    def _send(self, start_ns: int) -> None:
        load = self.load
        load.left -= 1
        self.due_ns += load.interval_ns
        self.number += 1
        self.start_ns = start_ns
        load.clients.send(self, self.template.fill(start_ns, self.number))

    def answered(self, status: bytes, now: int) -> None:
        load = self.load
        if status != b"202":
            load.statuses[status.decode()] += 1
            load.clients.at(now + REFUSED_PAUSE_NS, self._again)
            return
        load.good += 1
        load.accepted += load.batch
        if load.measured_ns <= now < load.until_ns:
            load.latencies.append(now - self.start_ns)
        self.next(now)

    def _again(self, now: int) -> None:
        if self.socket.fileno() >= 0:
            self.next(now)

    def lost(self) -> None:
        # A server that hangs up is a fault of its own here: it is told, and not smoothed over by connecting again.
        self.load.statuses["lost"] += 1
        self.load.ended(self)


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--keys", required=True, help="API keys, comma separated; connections take turns")
    parser.add_argument("--type", default="bench.event")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument(
        "--warmup", type=float, default=0, help="seconds before that, which are sent and not measured"
    )
    parser.add_argument("--count", type=int, default=0, help="events at most, rounded up to whole batches")
    parser.add_argument(
        "--rate", type=float, default=0, help="events a second; 0: as fast as they are answered"
    )
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--body", type=int, default=1024, help="bytes of one event, everything in it")
    parser.add_argument("--idempotency", action="store_true")
    parser.add_argument("--seed", default=str(time.time_ns()))
    options = parser.parse_args()
    gc.disable()
    print(json.dumps(Load(options).run()))


if __name__ == "__main__":
    main()
