"""Steady load and the receiver that counts: what was acknowledged, what arrived, what arrived twice. Loopback only."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from urllib.parse import urlsplit


class Receiver:
    """Answers 200 to everything and remembers each message id with the times it came."""

    def __init__(self) -> None:
        self.times: dict[str, list[float]] = {}
        self.port = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
                await reader.readexactly(int(fields.get("content-length", "0")))
                # A message id is the event's 26 characters and the subscription's number behind them.
                self.times.setdefault(fields["webhook-id"][4:30], []).append(time.monotonic())
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            writer.close()

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()


class Load:
    """`connections` posters that share one rate; only a 202 counts as accepted."""

    def __init__(
        self, *, url: str, key: str, rate: float, connections: int = 16, padding: int = 1500
    ) -> None:
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "127.0.0.1", parts.port or 80
        self.accepted: dict[str, float] = {}
        self.refused = 0
        self.running = asyncio.Event()
        self._key, self._interval = key, connections / rate
        self._body = json.dumps({"type": "drill.event", "data": {"pad": "x" * padding}}).encode()
        self._tasks = [asyncio.create_task(self._post_forever(n)) for n in range(connections)]

    def _request(self) -> bytes:
        return (
            f"POST /api/v1/events HTTP/1.1\r\nhost: {self.host}:{self.port}\r\nauthorization: Bearer {self._key}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(self._body)}\r\n\r\n"
        ).encode() + self._body

    async def _post_forever(self, number: int) -> None:
        raw = self._request()
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        while True:
            await self.running.wait()
            begun = time.monotonic()
            try:
                async with asyncio.timeout(30):
                    if streams is None:
                        streams = await asyncio.open_connection(self.host, self.port)
                    reader, writer = streams
                    writer.write(raw)
                    head = await reader.readuntil(b"\r\n\r\n")
                    at = head.lower().index(b"content-length:")
                    answer = await reader.readexactly(int(head[at + 15 :].split(b"\r\n", 1)[0]))
                if head[9:12] == b"202":
                    self.accepted[json.loads(answer)["id"][4:]] = time.monotonic()
                else:
                    self.refused += 1
            except (OSError, asyncio.IncompleteReadError, TimeoutError, ValueError):
                self.refused += 1
                if streams is not None:
                    streams[1].close()
                streams = None
                await asyncio.sleep(0.1)
            await asyncio.sleep(max(0.0, self._interval - (time.monotonic() - begun)))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*self._tasks, return_exceptions=True)
