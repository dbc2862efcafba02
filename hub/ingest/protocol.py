"""The server's protocol with a short way for the hot paths: read whole, handed to ingest, answered in one write.

Only plain requests take it (one regular expression decides); every doubt goes on in uvicorn's own protocol with the bytes
untouched, and a connection whose next request is no event is handed to the pages. It decides nothing about events.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

from hub.core.handing import HandingProtocol
from hub.ingest.app import LIMITS, NO_PAGES, Answer, IngestApp, refusal

START = b"POST /api/v1/events"
HEAD = re.compile(
    rb"POST (/api/v1/events(?:/batch)?) HTTP/1\.1\r\n((?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[ \t]*[^\x00-\x08\x0a-\x1f\x7f]*\r\n)+)\r\n"
)
LARGEST_HEAD = 16_384
_OWN = re.compile(rb"(?:POST (?:http://[^/ ]*)?/api/v1/events(?:/batch)?|(?:GET|HEAD) /livez)[ ?]")
_LONGEST = 64


def is_event(data: bytes) -> bool | None:
    """Do these bytes begin a request of ingest (an event, a batch, its own /livez)? None: they are too few to say."""
    if _OWN.match(data):
        return True
    return None if len(data) < _LONGEST and b"\r" not in data and b"\n" not in data else False


class IngestProtocol(HandingProtocol):
    """Subclassed with `ingest`, `door` and `other` set. One request at a time; the next one's bytes wait."""

    ingest: IngestApp

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._held = b""
        self._parts: list[bytes] | None = None
        self._missing = 0
        self._begun: tuple[str, dict[bytes, bytes], bytes] | None = None
        self._busy = False
        self._closing = False

    def data_received(self, data: bytes) -> None:
        if self._busy:
            self._held += data
            if len(self._held) > LARGEST_HEAD:
                self.flow.pause_reading()
            return
        if self._parts is not None:
            self._parts.append(data)
            self._missing -= len(data)
            if self._missing <= 0:
                self._whole()
            return
        if self._held:
            data, self._held = self._held + data, b""
        if not self.between_requests():
            super().data_received(data)
            return
        mine = is_event(data)
        if mine is None:
            self._held = data
        elif not mine:
            if not self.hand_over(data):
                self._write(refusal(NO_PAGES, None))
                self.transport.close()
        elif not data.startswith(START) or not self._take(data):
            super().data_received(data)

    def _take(self, data: bytes) -> bool:
        """Is it a plain request of the hot paths? Then it is under way."""
        found = HEAD.match(data)
        if found is None:
            if b"\r\n\r\n" not in data and len(data) < LARGEST_HEAD:
                self._held = data
                return True
            return False
        headers: dict[bytes, bytes] = {}
        for line in found[2].split(b"\r\n")[:-1]:
            name, _, value = line.partition(b":")
            name = name.lower()
            if name in headers:
                return False
            headers[name] = value.strip(b" \t")
        length = headers.get(b"content-length", b"")
        path = found[1].decode()
        if (
            not (length.isdigit() and len(length) < 9)
            or int(length) > LIMITS[path]
            or b"transfer-encoding" in headers
            or b"expect" in headers
            or b"upgrade" in headers
            or b"connection" in headers
        ):
            return False
        self._unset_keepalive_if_required()
        rest = data[found.end() :]
        self._begun = (path, headers, rest)
        self._missing = int(length) - len(rest)
        self._parts = [rest]
        if self._missing <= 0:
            self._whole()
        return True

    def _whole(self) -> None:
        assert self._begun is not None
        assert self._parts is not None
        path, headers, _ = self._begun
        body = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        if self._missing < 0:
            self._held, body = body[self._missing :], body[: self._missing]
        self._parts = self._begun = None
        self._busy = True
        task = self.loop.create_task(self._answer(path, headers, body))
        self.tasks.add(task)
        task.add_done_callback(self._done)

    async def _answer(self, path: str, headers: dict[bytes, bytes], body: bytes) -> None:
        self._write(await self.ingest.answer(path, b"", headers, body))

    def _write(self, answer: Answer) -> None:
        self.write_answer(answer.status, answer.head, answer.body)

    def _done(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        self._busy = False
        self.server_state.total_requests += 1
        if self._closing:
            self.transport.close()
        if self.transport.is_closing():
            return
        if self._held:
            held, self._held = self._held, b""
            self.flow.resume_reading()
            self.data_received(held)
        else:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def shutdown(self) -> None:
        if self._busy or self._parts is not None:
            self._closing = True
        else:
            super().shutdown()
