"""Opens a connection: resolve, let the guard judge every address, connect to the very one that was checked.

It never connects if any address of the name is refused, and never asks the resolver twice for one connection.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter_ns

from hub.core.addresses import AddressGuard, Endpoint
from hub.core.http.connection import Connection, Origin
from hub.core.http.pool import Pool
from hub.core.http.reply import (
    BLOCKED_ADDRESS,
    CLIENT_CERTIFICATE,
    CONNECT_FAILED,
    CONNECT_REFUSED,
    CONNECT_TIMEOUT,
    DNS,
    Reply,
)
from hub.core.http.resolver import Resolver, Unresolvable
from hub.core.http.tls import Contexts, tls_error

_ANOTHER_MAY_DO = frozenset({CONNECT_FAILED, CONNECT_REFUSED, CONNECT_TIMEOUT})


class NotConnected(Exception):
    """Why there is no connection: one of reply.ERRORS and a sentence."""

    def __init__(self, error: str, detail: str) -> None:
        super().__init__(detail)
        self.error = error
        self.detail = detail


@dataclass(slots=True)
class Progress:
    """How far the opening came, so that a deadline can say what it interrupted. Times are microseconds."""

    dns_us: int = 0
    connect_us: int = 0
    tls_us: int = 0
    ip: str = ""
    phase: str = DNS
    mark_ns: int = 0

    def lap(self) -> int:
        """Microseconds since the last lap."""
        before, self.mark_ns = self.mark_ns, perf_counter_ns()
        return (self.mark_ns - before) // 1000

    def stop(self) -> None:
        """Give the time since the last lap to the phase that was interrupted."""
        spent = self.lap()
        if self.phase == DNS:
            self.dns_us = spent
        elif self.phase == "tls":
            self.tls_us = spent
        else:
            self.connect_us = spent

    def copy_to(self, reply: Reply) -> None:
        reply.dns_us, reply.connect_us, reply.tls_us = self.dns_us, self.connect_us, self.tls_us
        reply.ip = self.ip


class Connector:
    """Opens connections for one sender, straight to the endpoint."""

    def __init__(
        self,
        *,
        guard: AddressGuard,
        resolver: Resolver,
        context: ssl.SSLContext,
        contexts: Contexts,
        pool: Pool,
        timeout_s: float,
    ) -> None:
        """`context` is for all that have no client certificate, `contexts` for the others."""
        self._guard = guard
        self._resolver = resolver
        self._context = context
        self._contexts = contexts
        self._pool = pool
        self._timeout_s = timeout_s

    async def open(
        self, endpoint: Endpoint, origin: Origin, *, deadline: float, progress: Progress
    ) -> Connection:
        """A fresh connection, before `deadline` (loop time) and the connect limit; raises NotConnected."""
        loop = asyncio.get_running_loop()
        progress.mark_ns = perf_counter_ns()
        until = min(deadline, loop.time() + self._timeout_s)
        connection: Connection | None = None
        try:
            async with asyncio.timeout_at(until):
                addresses = await self._addresses(endpoint)
                progress.dns_us = progress.lap()
                progress.phase = "connect"
                context = await self._context_of(origin)
                tcp = await self._connect(addresses, origin, until, progress, loop)
                progress.connect_us = progress.lap()
                progress.phase = "tls"
                connection = await self._start(tcp, origin, context, progress, loop)
                if origin.tls:
                    progress.tls_us = progress.lap()
        except TimeoutError as error:
            progress.stop()
            if connection is not None:
                connection.abort()
            raise self._too_late(progress, endpoint.host) from error
        except NotConnected:
            progress.stop()
            raise
        return connection

    async def _addresses(self, endpoint: Endpoint) -> Sequence[str]:
        host = endpoint.host
        try:
            addresses = (host,) if endpoint.is_ip else await self._resolver.resolve(host)
        except Unresolvable as error:
            raise NotConnected(DNS, str(error)) from error
        for ip in addresses:
            if reason := self._guard.refuse(ip):
                raise NotConnected(
                    BLOCKED_ADDRESS, f"{host} leads to {reason}, which may not be called from here"
                )
        return addresses

    async def _connect(
        self,
        addresses: Sequence[str],
        origin: Origin,
        until: float,
        progress: Progress,
        loop: asyncio.AbstractEventLoop,
    ) -> socket.socket:
        failure = NotConnected(CONNECT_FAILED, "there was no address to connect to")
        for place, ip in enumerate(addresses):
            progress.ip = ip
            share = (until - loop.time()) / (len(addresses) - place)
            try:
                async with asyncio.timeout(share):
                    return await self._reach(ip, origin, progress, loop)
            except TimeoutError:
                failure = self._too_late(progress, origin.host)
            except NotConnected as error:
                if error.error not in _ANOTHER_MAY_DO:
                    raise
                failure = error
        raise failure

    async def _reach(
        self, ip: str, origin: Origin, progress: Progress, loop: asyncio.AbstractEventLoop
    ) -> socket.socket:
        """A socket whose other end is that address; raises NotConnected."""
        return await dial(ip, origin.port, loop)

    async def _start(
        self,
        tcp: socket.socket,
        origin: Origin,
        context: ssl.SSLContext,
        progress: Progress,
        loop: asyncio.AbstractEventLoop,
    ) -> Connection:
        connection = self._connection(origin, progress.ip, loop)
        try:
            if origin.tls:
                await loop.create_connection(
                    lambda: connection,
                    sock=tcp,
                    ssl=context,
                    server_hostname=origin.host,
                    ssl_handshake_timeout=self._timeout_s,
                    ssl_shutdown_timeout=1.0,
                )
            else:
                await loop.create_connection(lambda: connection, sock=tcp)
        except OSError as error:
            connection.abort()
            tcp.close()
            if origin.tls:
                raise NotConnected(*tls_error(error, origin.host)) from error
            raise NotConnected(CONNECT_FAILED, f"{progress.ip} closed the connection at once") from error
        except BaseException:
            connection.abort()
            raise
        return connection

    def _connection(self, origin: Origin, ip: str, loop: asyncio.AbstractEventLoop) -> Connection:
        return Connection(self._pool, origin, ip, loop)

    async def _context_of(self, origin: Origin) -> ssl.SSLContext:
        if origin.identity is None:
            return self._context
        try:
            return await self._contexts.of(origin.identity)
        except (ssl.SSLError, ValueError) as error:
            # It was fine when it was stored: OpenSSL's rules must have changed since.
            raise NotConnected(
                CLIENT_CERTIFICATE, "the client certificate can't be used any more; set another"
            ) from error

    def _too_late(self, progress: Progress, host: str) -> NotConnected:
        if progress.phase == DNS:
            return NotConnected(DNS, f"the name server for {host} did not answer in time")
        if progress.phase == "tls":
            return NotConnected(
                CONNECT_TIMEOUT, f"{host} accepted the connection, but the TLS handshake did not end in time"
            )
        return NotConnected(CONNECT_TIMEOUT, f"{progress.ip} did not accept the connection in time")


async def dial(ip: str, port: int, loop: asyncio.AbstractEventLoop) -> socket.socket:
    """A TCP connection; raises NotConnected, or TimeoutError where the system gave up."""
    tcp = socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_STREAM)
    try:
        tcp.setblocking(False)
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await loop.sock_connect(tcp, (ip, port))
        return tcp
    except ConnectionRefusedError as error:
        tcp.close()
        raise NotConnected(CONNECT_REFUSED, f"nothing listens at port {port} of {ip}") from error
    except TimeoutError:
        tcp.close()
        raise
    except OSError as error:
        tcp.close()
        raise NotConnected(
            CONNECT_FAILED, f"{ip} can't be reached: {error.strerror or 'unknown error'}"
        ) from error
    except BaseException:
        tcp.close()
        raise
