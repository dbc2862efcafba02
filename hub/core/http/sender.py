"""Sends prepared requests over guarded, kept-alive connections and gives back what became of them as values.

It never follows a redirect, never raises for what a receiver does, and repeats a request only if a kept-alive
connection turned out to be closed before any byte of an answer.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from time import perf_counter_ns
from typing import Any

from hub.core.addresses import AddressGuard, check_url
from hub.core.client_certificates import Identity
from hub.core.http.connector import Connector, NotConnected, Progress
from hub.core.http.pool import Pool, Stats
from hub.core.http.proxied import ProxiedConnector
from hub.core.http.reply import CONNECT_FAILED, RESET, Reply
from hub.core.http.resolver import Lookup, Resolver
from hub.core.http.target import Target, request_head
from hub.core.http.tls import Contexts, client_context
from hub.core.proxy import Proxy


class Sender:
    """One for an event loop; make it inside the loop that uses it."""

    def __init__(
        self,
        *,
        guard: AddressGuard,
        ssl_context: ssl.SSLContext | None = None,
        ca_file: str | None = None,
        idle_limit_s: float = 30,
        max_idle_per_host: int = 64,
        max_idle: int = 512,
        dns_ttl_s: float = 30,
        connect_timeout_s: float = 5,
        user_agent: str = "Trunkline",
        lookup: Lookup | None = None,
        proxy: Proxy | None = None,
    ) -> None:
        """`ca_file`: authorities besides the system's. `ssl_context`: in place of them, but for requests with a client
        certificate. `lookup` replaces DNS. `proxy`: everything goes through it.
        """
        self._guard = guard
        self._user_agent = user_agent
        self._resolver = Resolver(ttl_s=dns_ttl_s, lookup=lookup)
        self._pool = Pool(idle_limit_s=idle_limit_s, max_idle_per_host=max_idle_per_host, max_idle=max_idle)
        self._contexts = Contexts(ca_file)
        ways: dict[str, Any] = {
            "guard": guard,
            "resolver": self._resolver,
            "context": ssl_context or client_context(ca_file),
            "contexts": self._contexts,
            "pool": self._pool,
            "timeout_s": connect_timeout_s,
        }
        self._connector = Connector(**ways) if proxy is None else ProxiedConnector(**ways, proxy=proxy)
        self._loop = asyncio.get_running_loop()
        self._closed = False

    def target(
        self,
        url: str,
        *,
        allow_http: bool,
        headers: Sequence[tuple[str, str]] = (),
        method: str = "POST",
        identity: Identity | None = None,
    ) -> Target:
        """Prepare a subscription's requests once; raises BadUrl or BadHeader. `identity`: its client certificate."""
        endpoint = check_url(url, allow_http=allow_http, guard=self._guard)
        head = request_head(endpoint, method=method, headers=headers, user_agent=self._user_agent)
        tls = endpoint.scheme == "https"
        origin = self._pool.origin(
            tls=tls, host=endpoint.host, port=endpoint.port, identity=identity if tls else None
        )
        return Target(endpoint=endpoint, origin=origin, method=method, head=head, head_only=method == "HEAD")

    async def send(
        self, target: Target, extra_headers: bytes, body: bytes, *, timeout_s: float, capture: int = 16384
    ) -> Reply:
        """Send and read the answer within `timeout_s`, all phases together; keep `capture` bytes of its body.

        `extra_headers` are ready "name: value" lines of our own making, each with its CR LF; not checked.
        """
        started_ns = perf_counter_ns()
        deadline = self._loop.time() + timeout_s
        request = b"%b%bcontent-length: %d\r\n\r\n%b" % (target.head, extra_headers, len(body), body)
        connection = self._pool.take(target.origin)
        if connection is not None:
            waiter = connection.start(request, capture, deadline, started_ns, target.head_only)
            try:
                reply = await waiter
            except asyncio.CancelledError:
                connection.abandon(waiter)
                raise
            if reply is not None:
                return reply
        return await self._send_fresh(target, request, capture, deadline, started_ns, connection is not None)

    async def _send_fresh(
        self, target: Target, request: bytes, capture: int, deadline: float, started_ns: int, sent: bool
    ) -> Reply:
        progress = Progress()
        try:
            if self._closed:
                raise NotConnected(CONNECT_FAILED, "the sender is closed")
            connection = await self._connector.open(
                target.endpoint, target.origin, deadline=deadline, progress=progress
            )
            if self._closed:
                connection.abort()
                raise NotConnected(RESET, "the sender was closed")
        except NotConnected as failure:
            reply = Reply(error=failure.error, detail=failure.detail, sent=sent)
            reply.total_us = (perf_counter_ns() - started_ns) // 1000
        else:
            waiter = connection.start(request, capture, deadline, started_ns, target.head_only)
            try:
                answer = await waiter
            except asyncio.CancelledError:
                connection.abandon(waiter)
                raise
            assert answer is not None, "only a reused connection asks for another try"
            reply = answer
        progress.copy_to(reply)
        return reply

    def stats(self) -> Stats:
        """Counts of connections."""
        return self._pool.stats()

    async def aclose(self) -> None:
        """Close every connection; requests on their way end with the error "reset"."""
        self._closed = True
        for connection in self._pool.connections():
            connection.fail(RESET, "the sender was closed")
        self._resolver.close()
        await self._contexts.aclose()
        deadline = self._loop.time() + 2
        while self._pool.connections() and self._loop.time() < deadline:
            await asyncio.sleep(0)
