"""Opens connections through a proxy, which is told checked addresses and never a name: what the guard judged is what
is called. The proxy's own address is its operator's choice, and not judged.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any, Final

from hub.core.addresses import Endpoint
from hub.core.http.connection import Connection, Origin, Owner
from hub.core.http.connector import Connector, NotConnected, Progress, dial
from hub.core.http.reply import CONNECT_FAILED, CONNECT_TIMEOUT, PROXY_FAILED, Reply
from hub.core.http.resolver import Unresolvable
from hub.core.proxy import Proxy

_MOST_HEAD: Final = 16 * 1024
_STATUS = re.compile(rb"HTTP/1\.[01] ([2-5]\d\d)[ \r]")
# Of a proxy with several addresses; the last one has all the time that is left.
_NEXT_AFTER_S: Final = 1.0
_AT_PROXY: Final = "proxy"
_UNAUTHORIZED: Final = "the hub's proxy wants other credentials than the hub has (407)"


class ProxiedConnector(Connector):
    """https through a tunnel (CONNECT, RFC 9110 9.3.6), plain http by absolute-form (RFC 9112 3.2.2).

    Within the tunnel TLS is with the endpoint itself, under its own name. No detail names the proxy: tenants read them.
    """

    def __init__(self, *, proxy: Proxy, **ways: Any) -> None:
        super().__init__(**ways)
        self._proxy = proxy
        self._is_ip = _is_ip(proxy.host)
        self._credentials = (
            b"proxy-authorization: %b\r\n" % proxy.credentials.encode("ascii") if proxy.credentials else b""
        )

    async def _addresses(self, endpoint: Endpoint) -> Sequence[str]:
        addresses = await super()._addresses(endpoint)
        if endpoint.scheme == "https":
            return addresses
        # Whether the proxy reaches it comes as the answer of a request that may not be repeated: there is one choice.
        return next(([ip] for ip in addresses if ":" not in ip), addresses[:1])

    async def _reach(
        self, ip: str, origin: Origin, progress: Progress, loop: asyncio.AbstractEventLoop
    ) -> socket.socket:
        progress.phase = _AT_PROXY
        tcp = await self._dial_proxy(loop)
        progress.phase = "connect"
        if origin.tls:
            try:
                await self._tunnel(tcp, ip, origin, loop)
            except OSError as error:
                tcp.close()
                raise NotConnected(PROXY_FAILED, "the hub's proxy closed the connection") from error
            except BaseException:
                tcp.close()
                raise
        return tcp

    async def _dial_proxy(self, loop: asyncio.AbstractEventLoop) -> socket.socket:
        host, port = self._proxy.host, self._proxy.port
        try:
            addresses = (host,) if self._is_ip else await self._resolver.resolve(host)
        except Unresolvable as error:
            raise NotConnected(PROXY_FAILED, "the name of the hub's proxy can't be resolved") from error
        for address in addresses[:-1]:
            with contextlib.suppress(NotConnected, TimeoutError):
                async with asyncio.timeout(_NEXT_AFTER_S):
                    return await dial(address, port, loop)
        try:
            return await dial(addresses[-1], port, loop)
        except (NotConnected, TimeoutError) as error:
            raise NotConnected(PROXY_FAILED, "the hub's proxy can't be reached") from error

    async def _tunnel(
        self, tcp: socket.socket, ip: str, origin: Origin, loop: asyncio.AbstractEventLoop
    ) -> None:
        place = authority(ip, origin.port).encode("ascii")
        await loop.sock_sendall(
            tcp, b"CONNECT %b HTTP/1.1\r\nhost: %b\r\n%b\r\n" % (place, place, self._credentials)
        )
        head = b""
        while b"\r\n\r\n" not in head:
            piece = await loop.sock_recv(tcp, 4096)
            if not piece:
                raise NotConnected(PROXY_FAILED, "the hub's proxy closed the connection without an answer")
            head += piece
            if len(head) > _MOST_HEAD:
                raise NotConnected(PROXY_FAILED, "the answer of the hub's proxy has no end")
        found = _STATUS.match(head)
        if found is None:
            raise NotConnected(PROXY_FAILED, "what the hub's proxy answered is not HTTP")
        if refusal := _refusal(int(found[1]), origin):
            raise refusal
        if not head.endswith(b"\r\n\r\n") or head.count(b"\r\n\r\n") > 1:
            # The endpoint says nothing before the hub does: these bytes would be taken for its own.
            raise NotConnected(PROXY_FAILED, "the hub's proxy sent more than its answer")

    def _connection(self, origin: Origin, ip: str, loop: asyncio.AbstractEventLoop) -> Connection:
        if origin.tls:
            return super()._connection(origin, ip, loop)
        return PlainThroughProxy(self._pool, origin, ip, loop, self._credentials)

    def _too_late(self, progress: Progress, host: str) -> NotConnected:
        if progress.phase == _AT_PROXY:
            return NotConnected(PROXY_FAILED, "the hub's proxy did not accept the connection in time")
        if progress.phase == "connect":
            return NotConnected(CONNECT_TIMEOUT, f"the hub's proxy did not reach {progress.ip} in time")
        return super()._too_late(progress, host)


class PlainThroughProxy(Connection):
    """A connection to the proxy for plain http to one origin; each request names the checked address."""

    def __init__(
        self, owner: Owner, origin: Origin, ip: str, loop: asyncio.AbstractEventLoop, credentials: bytes
    ) -> None:
        super().__init__(owner, origin, ip, loop)
        self._prefix = f"http://{authority(ip, origin.port)}".encode("ascii")
        self._credentials = credentials

    def start(
        self, request: bytes, capture: int, deadline: float, started_ns: int, head_only: bool
    ) -> asyncio.Future[Reply | None]:
        method, _, rest = request.partition(b" ")
        line, _, rest = rest.partition(b"\r\n")
        request = b"%b %b%b\r\n%b%b" % (method, self._prefix, line, self._credentials, rest)
        return super().start(request, capture, deadline, started_ns, head_only)

    def _finish(self, truncated: bool) -> None:
        if self._status != 407:
            super()._finish(truncated)
            return
        # Its page and headers are the proxy's own, and not for tenants.
        self._status = self._size = 0
        self._headers, self._body = [], []
        self.fail(PROXY_FAILED, _UNAUTHORIZED)


def authority(ip: str, port: int) -> str:
    """As it stands in a request line."""
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _refusal(status: int, origin: Origin) -> NotConnected | None:
    if status < 300:
        return None
    if status in (502, 503):
        return NotConnected(CONNECT_FAILED, f"the hub's proxy could not reach {origin.host} ({status})")
    if status == 504:
        return NotConnected(CONNECT_TIMEOUT, f"the hub's proxy did not reach {origin.host} in time (504)")
    if status == 407:
        return NotConnected(PROXY_FAILED, _UNAUTHORIZED)
    return NotConnected(PROXY_FAILED, f"the hub's proxy refused to connect to port {origin.port} ({status})")
