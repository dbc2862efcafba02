"""Load on the hub's ingest: raw HTTP/1.1 connections on uvloop, each with one request in flight. Loopback only.

`python -m bench.generator --url … --keys …` prints one JSON line: counts, rate, latency percentiles in ms, CPU seconds.
It never retries: a refusal is counted as one.
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import json
import resource
import sys
import time
from collections import Counter
from urllib.parse import urlsplit

import uvloop


class Connection(asyncio.Protocol):
    """One keep-alive connection; reads answers by Content-Length."""

    def __init__(self) -> None:
        self.buffer = b""
        self.waiter: asyncio.Future[int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.buffer[:end].lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0])
        if len(self.buffer) < end + 4 + length:
            return
        self.buffer = b""
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(int(head[9:12]))

    def connection_lost(self, error: Exception | None) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(0)

    async def request(self, raw: bytes) -> int:
        self.waiter = asyncio.get_running_loop().create_future()
        self.transport.write(raw)  # type: ignore[attr-defined]
        return await self.waiter


def percentile(values: list[float], share: float) -> float:
    return values[min(len(values) - 1, int(len(values) * share))] if values else 0.0


class Load:
    """Sends until `count` events or `seconds` are over; `rate` 0 = as fast as the connections allow."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.parts = urlsplit(options.url)
        self.statuses: Counter[int] = Counter()
        self.latencies: list[float] = []
        self.sent = 0
        self.number = 0
        data = json.dumps({"t": 0, "pad": "x" * max(options.body - 60, 1)})
        self.data = data
        self.keys = options.keys.split(",")

    def raw(self, index: int) -> bytes:
        o = self.options
        self.number += 1
        stamp = time.time_ns()
        data = self.data.replace('"t": 0', f'"t":{stamp}', 1)
        members = f'"type":"{o.type}"'
        if o.idempotency:
            members += f',"idempotency_key":"{o.seed}-{index}-{self.number}"'
        event = f'{{{members},"data":{data}}}'
        path = "/api/v1/events"
        if o.batch > 1:
            path += "/batch"
            event = '{"events":[' + ",".join([event] * o.batch) + "]}"
        body = event.encode()
        key = self.keys[(index + self.number) % len(self.keys)]
        return (
            f"POST {path} HTTP/1.1\r\nhost: {self.parts.netloc}\r\nauthorization: Bearer {key}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        ).encode() + body

    async def worker(self, index: int, until: float, begun: float) -> None:
        o, loop = self.options, asyncio.get_running_loop()
        connection: Connection | None = None
        interval = o.connections / o.rate if o.rate else 0.0
        due = begun + interval * index / o.connections
        while time.monotonic() < until and (not o.count or self.sent < o.count):
            if interval:
                wait = due - time.monotonic()
                if wait > 0:
                    await asyncio.sleep(wait)
            if connection is None or connection.transport.is_closing():
                try:
                    _, connection = await loop.create_connection(
                        Connection, self.parts.hostname, self.parts.port
                    )
                except OSError:
                    self.statuses[0] += 1
                    await asyncio.sleep(0.1)
                    continue
            self.sent += o.batch
            # Against the schedule, so that a stall shows in every request it delayed.
            start = due if interval else time.monotonic()
            due += interval
            status = await connection.request(self.raw(index))
            self.statuses[status] += 1
            if status == 202:
                self.latencies.append(time.monotonic() - start)
            elif status == 0:
                connection = None
            else:
                await asyncio.sleep(0.05)

    async def run(self) -> dict[str, object]:
        begun = time.monotonic()
        until = begun + self.options.seconds
        await asyncio.gather(*(self.worker(i, until, begun) for i in range(self.options.connections)))
        took = time.monotonic() - begun
        values = sorted(self.latencies)
        accepted = self.statuses[202] * self.options.batch
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "accepted": accepted,
            "statuses": dict(self.statuses),
            "seconds": round(took, 3),
            "rate": round(accepted / took, 1),
            "p50_ms": round(percentile(values, 0.5) * 1000, 3),
            "p99_ms": round(percentile(values, 0.99) * 1000, 3),
            "max_ms": round(percentile(values, 1.0) * 1000, 3),
            "cpu_s": round(usage.ru_utime + usage.ru_stime, 3),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--keys", required=True, help="API keys, comma separated; requests take turns")
    parser.add_argument("--type", default="bench.event")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--rate", type=float, default=0)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--body", type=int, default=1024)
    parser.add_argument("--idempotency", action="store_true")
    parser.add_argument("--seed", default=str(time.time_ns()))
    options = parser.parse_args()
    if not ipaddress.ip_address(urlsplit(options.url).hostname or "").is_loopback:
        sys.exit("The generator sends to loopback addresses only.")
    print(json.dumps(uvloop.run(Load(options).run())))


if __name__ == "__main__":
    main()
