"""Many HTTP/1.1 connections on one epoll loop, one request in flight on each: a third of an asyncio protocol's CPU.

It speaks only to our own servers on loopback, and reads answers by their Content-Length.
"""

from __future__ import annotations

import heapq
import ipaddress
import select
import socket
import sys
import time
from collections.abc import Callable

_now = time.time_ns
_READ = select.EPOLLIN
_BOTH = select.EPOLLIN | select.EPOLLOUT
_CHUNK = 16_384


class Clients:
    """The loop. A client's `answered(status, now_ns)` is called for each whole answer, `lost()` when it is cut off."""

    def __init__(self, host: str, port: int) -> None:
        self.address = (host, port)
        self._poll = select.epoll()
        self._clients: dict[int, Client] = {}
        self._timers: list[tuple[int, int, Callable[[int], None]]] = []
        self._ticket = 0
        self.stopped = False

    def open(self, client: Client) -> None:
        """Connect it. Raises OSError."""
        client.socket = connected = socket.create_connection(self.address, timeout=5)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1_000_000)
        connected.setblocking(False)
        client.partial, client.rest = b"", memoryview(b"")
        client.recv, client.put = connected.recv, connected.send
        self._clients[connected.fileno()] = client
        self._poll.register(connected.fileno(), _READ)

    def close(self, client: Client) -> None:
        """Forget it."""
        descriptor = client.socket.fileno()
        if self._clients.pop(descriptor, None) is not None:
            self._poll.unregister(descriptor)
            client.socket.close()

    def send(self, client: Client, request: bytes) -> None:
        """All of it, in the background where the kernel takes only a part."""
        try:
            done = client.put(request)
        except BlockingIOError:
            done = 0
        except OSError:
            self.at(_now(), lambda _: self._cut(client))
            return
        if done < len(request):
            client.rest = memoryview(request)[done:]
            self._poll.modify(client.socket.fileno(), _BOTH)

    def at(self, when_ns: int, call: Callable[[int], None]) -> None:
        """Call it at that time with the time it is."""
        self._ticket += 1
        heapq.heappush(self._timers, (when_ns, self._ticket, call))

    def run(self, until_ns: int) -> None:
        """Until that time, or until `stopped`."""
        poll, clients, timers = self._poll.poll, self._clients, self._timers
        while True:
            now = _now()
            while timers and timers[0][0] <= now:
                heapq.heappop(timers)[2](now)
            if now >= until_ns or self.stopped:
                return
            until = min(timers[0][0], until_ns) if timers else until_ns
            for descriptor, kind in poll(max(until - _now(), 0) / 1e9, 256):
                client = clients.get(descriptor)
                if client is None:
                    continue
                if kind & select.EPOLLOUT:
                    self._push(client)
                if kind & ~select.EPOLLOUT:
                    self._read(client)

    def _read(self, client: Client) -> None:
        try:
            data = client.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._cut(client)
            return
        if client.partial:
            data = client.partial + data
        end = data.find(b"\r\n\r\n")
        if end < 0:
            client.partial = data
            return
        at = data.find(b"ontent-length: ", 0, end)
        if at < 0:
            at = data.lower().find(b"ontent-length: ", 0, end)
        if at < 0:
            self._cut(client)
            return
        if len(data) < end + 4 + int(data[at + 15 : data.find(b"\r\n", at, end + 2)]):
            client.partial = data
            return
        if client.partial:
            client.partial = b""
        client.answered(data[9:12], _now())

    def _push(self, client: Client) -> None:
        try:
            client.rest = client.rest[client.put(client.rest) :]
        except BlockingIOError:
            return
        except OSError:
            self._cut(client)
            return
        if not client.rest:
            self._poll.modify(client.socket.fileno(), _READ)

    def _cut(self, client: Client) -> None:
        if client.socket.fileno() >= 0:
            self.close(client)
            client.lost()


class Client:
    """One connection; what it does is its subclass's."""

    __slots__ = ("partial", "put", "recv", "rest", "socket")

    socket: socket.socket
    partial: bytes
    rest: memoryview
    recv: Callable[[int], bytes]
    put: Callable[[bytes | memoryview], int]

    def answered(self, status: bytes, now: int) -> None:
        """A whole answer is there; `status` three digits, `now` in ns."""
        raise NotImplementedError

    def lost(self) -> None:
        """The connection is gone."""
        raise NotImplementedError


def loopback(host: str) -> str:
    """The address, if it is this machine's; the program ends otherwise."""
    if not ipaddress.ip_address(host).is_loopback:
        sys.exit("The bench sends to loopback addresses only.")
    return host
