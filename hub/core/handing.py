"""uvicorn's protocol for a server of which another process serves some requests: it can hand a connection over, and take one in.

Between two requests only: what is under way ends where it began. Whose a request is, its subclass decides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from hub.core.handover import Door, give


class HandingProtocol(HttpToolsProtocol):
    """Subclassed with `door` (one's own) and `other` (where to hand to; one that was taken in goes back whence it came)."""

    door: Path
    other: Path
    _given = b""
    _inside = False

    def take_in(self, data: bytes, back: str) -> Self:
        """Before the connection is made: what its giver has read of it, and where that listens."""
        self._given = data
        self.other = Path(back)
        return self

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self._given:
            # Before anything is read here, so that no later byte overtakes it.
            data, self._given = self._given, b""
            self.data_received(data)

    def on_message_begin(self) -> None:
        self._inside = True
        super().on_message_begin()

    def on_message_complete(self) -> None:
        self._inside = False
        super().on_message_complete()

    def between_requests(self) -> bool:
        """Is nothing read in part, and nothing unanswered?"""
        return not self._inside and (
            self.cycle is None or (self.cycle.response_complete and not self.pipeline)
        )

    def write_answer(self, status: int, head: list[tuple[bytes, bytes]], body: bytes) -> None:
        """A whole answer in one write, past the server's request cycle."""
        if self.transport.is_closing():
            return
        parts = [STATUS_LINE[status]]
        for name, value in self.server_state.default_headers:
            parts += (name, b": ", value, b"\r\n")
        for name, value in head:
            parts += (name, b": ", value, b"\r\n")
        parts.append(b"content-length: %d\r\n\r\n" % len(body))
        parts.append(body)
        self.transport.write(b"".join(parts))

    def hand_over(self, data: bytes) -> bool:
        """To the other process, beginning with these bytes. False: it is not there, and the connection stays."""
        given = give(self.other, self.transport, data, back=str(self.door), loop=self.loop)
        if given:
            self._unset_keepalive_if_required()
        return given


class Server(uvicorn.Server):
    """A uvicorn server that also takes connections in at its door."""

    def __init__(
        self, config: uvicorn.Config, *, door: Path, before_end: Callable[[], None] | None = None
    ) -> None:
        """`before_end`: answers what would otherwise be waited for when the server is asked to end."""
        super().__init__(config)
        self._door = Door(door, self._protocol)
        self._before_end = before_end

    def _protocol(self, data: bytes, back: str) -> asyncio.BaseProtocol:
        make: Callable[..., Any] = self.config.http_protocol_class
        protocol: HandingProtocol = make(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return protocol.take_in(data, back)

    async def startup(self, sockets: list[Any] | None = None) -> None:
        await super().startup(sockets)
        await self._door.open()

    async def shutdown(self, sockets: list[Any] | None = None) -> None:
        await self._door.close()
        if self._before_end is not None:
            self._before_end()
        await super().shutdown(sockets)
