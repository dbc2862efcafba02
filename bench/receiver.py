"""The bench's webhook endpoint: as little Python a request as possible, so that the hub is measured and not
this.

`python -m bench.receiver --port 9100 --control-port 9101` prints one JSON line when it listens. It speaks
only what the hub's own sender sends (POST, Content-Length, one request at a time on a connection), and
listens on loopback only.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import ssl
import time
from array import array
from collections.abc import Callable
from typing import cast
from urllib.parse import parse_qs

import uvloop

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 100\r\n\r\n" + b"." * 100
FAILURE = b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n"
_now = time.time_ns


class Endpoint:
    """What came to one path. The first part of the path says how it behaves: /ok, /hang, /dead, /fail,
    /slow?ms=50.
    """

    __slots__ = ("count", "duplicates", "first", "ids", "last", "latencies", "mode", "wait_s")

    def __init__(self, target: bytes) -> None:
        path, _, query = target.decode("latin-1").partition("?")
        self.mode = path.lstrip("/").partition("/")[0]
        self.wait_s = float(parse_qs(query).get("ms", ["0"])[0]) / 1000 if self.mode == "slow" else 0.0
        self.clear()

    def clear(self) -> None:
        self.count = self.duplicates = self.first = self.last = 0
        # Hashes: 64 bits of a million ids collide once in 37 million runs, and cost a third of the memory.
        self.ids: set[int] = set()
        self.latencies = array("d")


class Book:
    """All endpoints, and what is told of them."""

    def __init__(self) -> None:
        self.targets: dict[bytes, Endpoint] = {}
        self.paths: dict[str, Endpoint] = {}
        self.connections = 0

    def endpoint(self, target: bytes) -> Endpoint:
        """The same one for a path whatever its query."""
        path = target.decode("latin-1").partition("?")[0]
        endpoint = self.paths.get(path)
        if endpoint is None:
            endpoint = self.paths[path] = Endpoint(target)
        self.targets[target] = endpoint
        return endpoint

    def stats(self) -> dict[str, object]:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        paths = {path: _summary(endpoint) for path, endpoint in sorted(self.paths.items())}
        latencies = sorted(value for e in self.paths.values() for value in e.latencies)
        return {
            "count": sum(e.count for e in self.paths.values()),
            "unique": sum(len(e.ids) for e in self.paths.values()),
            "duplicates": sum(e.duplicates for e in self.paths.values()),
            "connections": self.connections,
            "cpu_s": round(usage.ru_utime + usage.ru_stime, 4),
            "max_rss_kib": usage.ru_maxrss,
            **_latencies(latencies),
            "paths": paths,
        }

    def reset(self) -> dict[str, object]:
        for endpoint in self.paths.values():
            endpoint.clear()
        return {"reset": len(self.paths)}


def _summary(endpoint: Endpoint) -> dict[str, object]:
    span = (endpoint.last - endpoint.first) / 1e9
    return {
        "count": endpoint.count,
        "unique": len(endpoint.ids),
        "duplicates": endpoint.duplicates,
        "first": endpoint.first / 1e9,
        "last": endpoint.last / 1e9,
        "rate": round((endpoint.count - 1) / span, 1) if span > 0 else 0.0,
        **_latencies(sorted(endpoint.latencies)),
    }


def _latencies(values: list[float]) -> dict[str, float]:
    """`values` sorted, in ms; those of bodies without a time are not in it."""

    def at(share: float) -> float:
        return round(values[min(len(values) - 1, int(len(values) * share))], 3) if values else 0.0

    return {
        "timed": len(values),
        "p50_ms": at(0.5),
        "p95_ms": at(0.95),
        "p99_ms": at(0.99),
        "max_ms": at(1.0),
    }


class Connection(asyncio.Protocol):
    """One connection of the hub's sender."""

    __slots__ = ("book", "loop", "partial", "targets", "transport", "write")

    def __init__(self, book: Book, loop: asyncio.AbstractEventLoop) -> None:
        self.book, self.loop = book, loop
        self.targets = book.targets
        self.partial = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.write: Callable[[bytes], None] = self.transport.write
        self.book.connections += 1

    def data_received(self, data: bytes) -> None:
        if self.partial:
            data = self.partial + data
            self.partial = b""
        end = data.find(b"\r\n\r\n")
        if end < 0:
            self.partial = data
            return
        at = data.rfind(b"ontent-length:", 0, end)
        if at < 0:
            at = data.lower().rfind(b"ontent-length:", 0, end)
        length = 0 if at < 0 else int(data[at + 14 : data.find(b"\r\n", at, end + 2)])
        if len(data) < end + 4 + length:
            self.partial = data
            return
        target = data[data.find(b" ") + 1 : data.find(b" HTTP/", 0, end)]
        endpoint = self.targets.get(target)
        if endpoint is None:
            endpoint = self.book.endpoint(target)
        if endpoint.mode == "ok":
            self.write(ANSWER)
        # Noted after the answer is on its way, so that the hub doesn't wait for our bookkeeping.
        now = _now()
        endpoint.count += 1
        endpoint.last = now
        if not endpoint.first:
            endpoint.first = now
        at = data.find(b"webhook-id: ", 0, end)
        if at > 0:
            ids = endpoint.ids
            before = len(ids)
            ids.add(hash(data[at + 12 : data.find(b"\r", at, end + 2)]))
            if len(ids) == before:
                endpoint.duplicates += 1
        at = data.find(b'"t":', end)
        if at > 0:
            # 19 digits until the year 2286; another body than the generator's may have another "t".
            stamp = data[at + 4 : at + 23]
            if stamp.isdigit():
                endpoint.latencies.append((now - int(stamp)) / 1e6)
        if endpoint.mode != "ok":
            self._misbehave(endpoint)

    def _misbehave(self, endpoint: Endpoint) -> None:
        if endpoint.mode == "slow":
            self.loop.call_later(endpoint.wait_s, self._late)
        elif endpoint.mode == "dead":
            self.transport.abort()
        elif endpoint.mode == "fail":
            self.write(FAILURE)
        elif endpoint.mode != "hang":
            self.write(ANSWER)

    def _late(self) -> None:
        if not self.transport.is_closing():
            self.write(ANSWER)


class Control(asyncio.Protocol):
    """GET /stats and POST /reset, one request a connection."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.data += data
        if b"\r\n\r\n" not in self.data:
            return
        status, answer = "200 OK", {}
        if self.data.startswith(b"GET /stats "):
            answer = self.book.stats()
        elif self.data.startswith(b"POST /reset "):
            answer = self.book.reset()
        else:
            status = "404 Not Found"
        body = json.dumps(answer).encode()
        head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close"
        self.transport.write(head.encode() + b"\r\n\r\n" + body)
        self.transport.close()


async def serve(options: argparse.Namespace) -> None:
    """Until the process is ended."""
    loop = asyncio.get_running_loop()
    book = Book()
    context = None
    if options.cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.cert, options.key)
    hooks = await loop.create_server(
        lambda: Connection(book, loop),
        "127.0.0.1",
        options.port,
        ssl=context,
        backlog=4096,
        reuse_address=True,
    )
    control = await loop.create_server(
        lambda: Control(book), "127.0.0.1", options.control_port, reuse_address=True
    )
    port, control_port = (server.sockets[0].getsockname()[1] for server in (hooks, control))
    print(json.dumps({"port": port, "control_port": control_port, "tls": bool(context)}), flush=True)
    async with hooks, control:
        await asyncio.gather(hooks.serve_forever(), control.serve_forever())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--control-port", type=int, default=0)
    parser.add_argument("--cert", default="", help="PEM file: serve HTTPS")
    parser.add_argument("--key", default="", help="PEM file of the certificate's key")
    uvloop.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
