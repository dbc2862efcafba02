"""One connection to the receiver: requests are read with httptools, and answered or mistreated one by one.

It decides nothing: `decide(received)` says what to do.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import httptools

from hub.ops.receiver.behaviour import Act, Behaviour

MOST_BYTES = 32 * 1024 * 1024
GIGABYTE = 1 << 30
_BLOCK = b"x" * 65_536


class Request:
    """What has come of a request so far."""

    __slots__ = ("body", "headers", "method", "target", "whole")

    def __init__(self) -> None:
        self.method = self.target = ""
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self.whole = False


Decide = Callable[[Request, int], tuple[Behaviour, Callable[[str], None]]]


class Conversation:
    """`decide(request, connection) -> (behaviour, told)`; `told(words)` comes before the answer."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, number: int, decide: Decide
    ) -> None:
        self._reader, self._writer, self._number, self._decide = reader, writer, number, decide
        self._parser = httptools.HttpRequestParser(self)
        self._requests: list[Request] = []
        self._current = Request()
        self._keep_alive = True

    # -- what httptools calls ------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._current = Request()

    def on_url(self, url: bytes) -> None:
        self._current.target += url.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._current.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._current.method = self._parser.get_method().decode()
        self._keep_alive = self._parser.should_keep_alive()
        self._requests.append(self._current)

    def on_body(self, body: bytes) -> None:
        self._current.body += body
        if len(self._current.body) > MOST_BYTES:
            raise ValueError(f"the body is larger than {MOST_BYTES} bytes")

    def on_message_complete(self) -> None:
        self._current.whole = True

    # -- the talk ------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until either side ends it."""
        try:
            while await self._next():
                pass
        except (ConnectionError, httptools.HttpParserError, ValueError):
            # The other side left, or speaks something else: nothing is owed to it.
            self._writer.transport.abort()
        finally:
            self._writer.close()
            with contextlib.suppress(ConnectionError):
                await self._writer.wait_closed()

    async def _next(self) -> bool:
        while not self._requests:
            if not await self._read():
                return False
        request = self._requests.pop(0)
        if request.headers.get("expect", "").lower() == "100-continue" and not request.whole:
            self._writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        behaviour, told = self._decide(request, self._number)
        if behaviour.act is Act.reset_before_reading:
            told("reset before reading")
            self._reset()
            return False
        while not request.whole:
            if not await self._read():
                return False
        return await self._treat(behaviour, told)

    async def _read(self) -> bool:
        data = await self._reader.read(65_536)
        if data:
            self._parser.feed_data(data)
        return bool(data)

    async def _treat(self, behaviour: Behaviour, told: Callable[[str], None]) -> bool:
        act = behaviour.act
        if act is Act.reset_after_reading:
            told("reset")
            self._reset()
            return False
        if act is Act.hang:
            told("no answer")
            while await self._reader.read(65_536):
                pass
            return False
        if behaviour.latency_s and act is Act.answer:
            await asyncio.sleep(behaviour.latency_s)
        words = str(behaviour.status) if act is Act.answer else f"{behaviour.status}, {act}"
        # Noted before it is sent: who has the answer may look here at once.
        told(words)
        if act is Act.answer:
            self._writer.write(_head(behaviour, length=len(behaviour.body)) + behaviour.body)
            await self._writer.drain()
            return self._keep_alive and not behaviour.close_after
        if act is Act.slow_body:
            await self._slowly(behaviour)
        elif act is Act.endless_body:
            self._writer.write(_head(behaviour, length=None))
            while True:
                self._writer.write(b"%x\r\n%b\r\n" % (len(_BLOCK), _BLOCK))
                await self._writer.drain()
        else:
            self._writer.write(_head(behaviour, length=GIGABYTE))
            for _ in range(GIGABYTE // len(_BLOCK)):
                self._writer.write(_BLOCK)
                await self._writer.drain()
        return False

    async def _slowly(self, behaviour: Behaviour) -> None:
        self._writer.write(_head(behaviour, length=86_400))
        for _ in range(86_400):
            self._writer.write(b".")
            await self._writer.drain()
            await asyncio.sleep(behaviour.pace_s)

    def _reset(self) -> None:
        sock: Any = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


def _head(behaviour: Behaviour, *, length: int | None) -> bytes:
    try:
        phrase = HTTPStatus(behaviour.status).phrase
    except ValueError:
        phrase = "Unknown"
    lines = [f"HTTP/1.1 {behaviour.status} {phrase}"]
    lines += [f"{name}: {value}" for name, value in behaviour.headers]
    if behaviour.status >= 200 and behaviour.status not in (204, 304):
        lines.append("Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
