"""One HTTP/1.1 connection: one request at a time, its answer read within bounds of time and memory.

It never retries, never opens itself and never trusts a connection again whose answer did not end cleanly.
"""

from __future__ import annotations

import asyncio
import ssl
from time import perf_counter_ns
from typing import Protocol, cast

import httptools

from hub.core.client_certificates import Identity
from hub.core.http.answer import MAX_HEAD_BYTES, Answer
from hub.core.http.reply import INVALID_RESPONSE, READ_TIMEOUT, RESET, Reply
from hub.core.http.tls import tls_error

_LARGE_REQUEST = 64 * 1024
_NEVER = float("inf")


class Origin:
    """One scheme, host, port and client certificate (or none) with its idle connections; all targets of it share one."""

    __slots__ = ("__weakref__", "host", "identity", "idle", "port", "tls")

    def __init__(self, *, tls: bool, host: str, port: int, identity: Identity | None = None) -> None:
        self.tls = tls
        self.host = host
        self.port = port
        self.identity = identity
        self.idle: list[Connection] = []


class Owner(Protocol):
    """Who is told what becomes of a connection."""

    def opened(self, connection: Connection) -> None: ...

    def keep(self, connection: Connection, now: float) -> bool: ...

    def gone(self, connection: Connection) -> None: ...


class Connection(Answer, asyncio.Protocol):
    """A future gives the Reply, or None if a reused connection was closed before any byte of an answer."""

    def __init__(self, owner: Owner, origin: Origin, ip: str, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._owner = owner
        self._loop = loop
        self.origin = origin
        self.ip = ip
        self.born = loop.time()
        self.uses = 0
        self.transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[Reply | None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = _NEVER
        self._due = 0.0
        self._started_ns = self._written_ns = 0
        self._large = False

    # What the sender calls.

    def start(
        self, request: bytes, capture: int, deadline: float, started_ns: int, head_only: bool
    ) -> asyncio.Future[Reply | None]:
        """Write a whole request. `deadline` is loop time; `started_ns` is when the sender began with it."""
        self._capture = capture
        self._started_ns = started_ns
        self._head_only = head_only
        self._first_ns = self._status = self._received = self._size = 0
        self._head_done = self._done = self._keep = False
        self._headers = []
        self._body = []
        self.uses += 1
        self._large = len(request) > _LARGE_REQUEST
        self._waiter = waiter = self._loop.create_future()
        self.wake_at(deadline)
        # Between taking a kept-alive connection and writing there is next to nothing: save the clock.
        self._written_ns = started_ns if self.uses > 1 else perf_counter_ns()
        assert self.transport is not None
        self.transport.write(request)
        return waiter

    def wake_at(self, due: float) -> None:
        """At that loop time the request is given up, or the idle connection closed."""
        self._due = due
        if due < self._timer_at:
            self._arm()

    def close(self) -> None:
        """Close in order: only when idle."""
        self._stop_timer()
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        """Close at once and drop what is unsent; the waiter is left to its caller."""
        self._waiter = None
        self._stop_timer()
        if self.transport is not None:
            self.transport.abort()

    def abandon(self, waiter: asyncio.Future[Reply | None]) -> None:
        """The caller was cancelled; if the answer came just before, another request may be on here now."""
        if self._waiter is waiter:
            self.abort()

    def fail(self, error: str, detail: str) -> None:
        """End the request with a reason; a status that had come is kept."""
        waiter = self._waiter
        status = self._status if self._head_done else 0
        headers = self._headers if self._head_done else []
        reply = self._reply(status, headers, error, detail, self._size > self._capture)
        self.abort()
        if waiter is not None and not waiter.done():
            waiter.set_result(reply)

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._owner.opened(self)

    def data_received(self, data: bytes) -> None:
        if self._waiter is None:
            # Nobody asked: whatever this is, it must not be taken for the next answer.
            self.abort()
            return
        if not self._first_ns:
            self._first_ns = perf_counter_ns()
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._keep = False
            if not self._done:
                self.fail(INVALID_RESPONSE, self._invalid or f"the answer is not valid HTTP/1.1: {error}")
                return
        if self._done:
            self._finish(self._size > self._capture)
        else:
            self._check_bounds()

    def eof_received(self) -> None:
        self._closed_by_peer()

    def connection_lost(self, error: Exception | None) -> None:
        self._stop_timer()
        if (
            self.uses == 1
            and self._waiter is not None
            and not self._first_ns
            and isinstance(error, ssl.SSLError)
        ):
            # In TLS 1.3 a server judges the client's certificate only after the client's handshake has ended.
            self.fail(*tls_error(error, self.origin.host))
        self._closed_by_peer()
        self.transport = None
        self._owner.gone(self)
        # The parser holds this object's methods: without the cycle no collector is needed.
        del self._parser

    # How a request ends.

    def _check_bounds(self) -> None:
        """After each piece of an answer that goes on."""
        if self._invalid:
            self.fail(INVALID_RESPONSE, self._invalid)
        elif self._head_done:
            if self._too_much():
                self._finish(True)
        elif self._received > 2 * MAX_HEAD_BYTES:
            self.fail(INVALID_RESPONSE, "the head of the answer has no end")

    def _finish(self, truncated: bool) -> None:
        waiter = self._waiter
        self._waiter = None
        reply = self._reply(self._status, self._headers, "", "", truncated)
        if not self._keep or (self._large and self._unsent()):
            # Abort, since a peer that never stops writing would also never let the closing end.
            self.abort()
        elif not self._owner.keep(self, self._loop.time()):
            self.close()
        if waiter is not None and not waiter.done():
            waiter.set_result(reply)

    def _unsent(self) -> bool:
        """The answer came before the whole request had gone."""
        return self.transport is None or self.transport.get_write_buffer_size() > 0

    def _closed_by_peer(self) -> None:
        waiter = self._waiter
        if waiter is None:
            self._owner.gone(self)
        elif self._first_ns == 0 and self.uses > 1:
            self.abort()
            if not waiter.done():
                waiter.set_result(None)
        elif self._head_done and self._ends_with_connection():
            self._finish(self._size > self._capture)
        elif self._head_done:
            self.fail(RESET, "the receiver closed the connection in the middle of its answer")
        elif self._first_ns:
            self.fail(RESET, "the receiver closed the connection in the middle of the head of its answer")
        else:
            self.fail(RESET, "the receiver closed the connection without an answer")

    def _reply(
        self, status: int, headers: list[tuple[bytes, bytes]], error: str, detail: str, truncated: bool
    ) -> Reply:
        first, parts = self._first_ns, self._body
        return Reply(
            status,
            error,
            detail,
            headers,
            parts[0] if len(parts) == 1 else b"".join(parts),
            self._size,
            truncated,
            (first - self._written_ns) // 1000 if first else 0,
            (perf_counter_ns() - self._started_ns) // 1000,
            self.ip,
            self.uses > 1,
            True,
        )

    # One timer serves deadline and idle limit: set anew for an earlier moment, or when it fires too soon.

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = self._due
        self._timer = self._loop.call_at(self._due, self._on_timer)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._timer_at = _NEVER

    def _on_timer(self) -> None:
        self._timer = None
        self._timer_at = _NEVER
        # Loops round their timers to a millisecond.
        if self._loop.time() < self._due - 0.001:
            self._arm()
        elif self._waiter is None:
            self._owner.gone(self)
            self.close()
        elif self._head_done:
            self.fail(READ_TIMEOUT, "the answer began, but did not end in time")
        else:
            self.fail(READ_TIMEOUT, "no complete answer came in time")
