"""A real server on 127.0.0.1 whose every word a test can choose. It never behaves well by itself."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from hub.core.addresses import AddressGuard
from hub.core.http.sender import Sender

_TRUSTS_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@dataclass
class Peer:
    """What the server saw."""

    port: int = 0
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    sent: int = 0
    scheme: str = "http"

    def url(self, path: str = "/hook", host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"


@dataclass
class Talk:
    """One connection. `number` counts from 1."""

    peer: Peer
    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def request(self) -> bytes:
        """The next request, whole; raises IncompleteReadError at the end."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        body = await self.reader.readexactly(int(length[1])) if length else b""
        self.peer.requests.append(head + body)
        return head + body

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()
        self.peer.sent += len(data)

    def reset(self) -> None:
        """Close so that the other side gets a RST."""
        sock: socket.socket = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Script = Callable[[Talk], Awaitable[None]]


@contextlib.asynccontextmanager
async def serving(script: Script, *, context: ssl.SSLContext | None = None) -> AsyncIterator[Peer]:
    """Run the script for every connection; it is cancelled at the end, and the connection closed with it."""
    peer = Peer(scheme="https" if context else "http")
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        peer.connections += 1
        try:
            await script(Talk(peer, peer.connections, reader, writer))
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # The sender went away, or the test is over: both are usual.
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
    peer.port = server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def sending(**settings: Any) -> AsyncIterator[Sender]:
    if "ca_file" not in settings:
        # Reading the system's authorities takes longer than most tests.
        settings.setdefault("ssl_context", _TRUSTS_NOBODY)
    sender = Sender(guard=AddressGuard.from_text("127.0.0.0/8"), **settings)
    try:
        yield sender
    finally:
        await sender.aclose()
        assert sender.stats().open == 0


def always(answer: bytes) -> Script:
    """Give this answer to every request."""

    async def script(talk: Talk) -> None:
        while True:
            await talk.request()
            await talk.say(answer)

    return script


def once(answer: bytes, *, then: str = "close") -> Script:
    """Give this answer to the first request of a connection, then "close", "reset" or "hang"."""

    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.say(answer)
        if then == "hang":
            await asyncio.sleep(60)
        elif then == "reset":
            talk.reset()

    return script


async def until(condition: Callable[[], bool], *, within_s: float = 3) -> None:
    """Poll until it holds."""
    deadline = asyncio.get_running_loop().time() + within_s
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "the condition did not come true in time"
        await asyncio.sleep(0.005)
