"""A real forward proxy on 127.0.0.1 that notes what it is asked, and leads every address to where the test says. It is
polite only if told so.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from hub.core.addresses import AddressGuard
from hub.core.http.reply import Reply
from hub.core.http.sender import Sender
from hub.core.proxy import Proxy

# Public addresses, which nothing here answers at but by the proxy.
HERE, THERE = "93.184.216.34", "93.184.216.35"
NAME = "hooks.example.com"
OPEN = b"HTTP/1.1 200 Connection established\r\n\r\n"
_WHERE = re.compile(rb"(?:http://)?(\[[0-9a-f:]+\]|[0-9.]+):(\d+)(/.*)?")


@dataclass
class ProxyServer:
    """`leads` maps "ip:port" as it was asked for to a port here; what it does not hold gets `missing`."""

    port: int = 0
    credentials: str = ""
    leads: dict[str, int] = field(default_factory=dict)
    opening: bytes = OPEN
    missing: bytes = b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n"
    answers: bool = True
    asked: list[str] = field(default_factory=list)
    heads: list[bytes] = field(default_factory=list)
    connections: int = 0

    def proxy(self, credentials: str = "") -> Proxy:
        """As the hub is told of it."""
        user = f"{credentials}@" if credentials else ""
        return Proxy.from_url(f"http://{user}127.0.0.1:{self.port}")

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while head := await self._head(reader):
            self.heads.append(head)
            method, target, _ = head.split(b"\r\n", 1)[0].split(b" ")
            found = _WHERE.fullmatch(target)
            self.asked.append(f"{method.decode()} {target.decode()}")
            if not self.answers:
                await asyncio.sleep(60)
            wanted = b64encode(self.credentials.encode())
            if self.credentials and b"proxy-authorization: Basic %b\r\n" % wanted not in head:
                writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 4\r\n\r\nwho?")
                continue
            port = self.leads.get(f"{found[1].decode()}:{found[2].decode()}") if found else None
            if port is None:
                writer.write(self.missing)
                continue
            there = await asyncio.open_connection("127.0.0.1", port)
            if method == b"CONNECT":
                writer.write(self.opening)
            else:
                assert found is not None
                there[1].write(head.replace(target, found[3], 1))
            await _both_ways((reader, writer), there)
            return

    @staticmethod
    async def _head(reader: asyncio.StreamReader) -> bytes:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            return await reader.readuntil(b"\r\n\r\n")
        return b""


@contextlib.asynccontextmanager
async def proxying(**settings: object) -> AsyncIterator[ProxyServer]:
    """Listens until the block ends."""
    proxy = ProxyServer(**settings)  # type: ignore[arg-type]
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await proxy.talk(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass  # Either side went away, or the test is over: both are usual.
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _both_ways(one: Ends, other: Ends) -> None:
    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    try:
        await asyncio.gather(pass_on(one[0], other[1]), pass_on(other[0], one[1]))
    finally:
        other[1].close()


@contextlib.asynccontextmanager
async def sending_through(
    proxy: Proxy, *, addresses: Sequence[str] = (HERE,), **settings: Any
) -> AsyncIterator[Sender]:
    """A sender whose guard lets only public addresses through, though the proxy is on this machine."""

    async def lookup(host: str) -> Sequence[str]:
        return addresses

    sender = Sender(guard=AddressGuard(), lookup=lookup, proxy=proxy, **settings)
    try:
        yield sender
    finally:
        await sender.aclose()
        assert sender.stats().open == 0


async def send(sender: Sender, url: str, body: bytes = b"x", **settings: Any) -> Reply:
    identity = settings.pop("identity", None)
    target = sender.target(url, allow_http=True, identity=identity)
    return await sender.send(target, b"webhook-id: m\r\n", body, timeout_s=settings.pop("timeout_s", 3))
