"""Names to addresses: a small cache, one look-up at a time for a name, few threads. It judges no address."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

Lookup = Callable[[str], Awaitable[Sequence[str]]]

_NEGATIVE_TTL_S = 5.0
_LOOKUP_TIMEOUT_S = 10.0
_SLOW_S = 2.0
_THREADS = 16
_SLOW_THREADS = 4
_MAX_NAMES = 10_000
_MAX_ADDRESSES = 16


class Unresolvable(Exception):
    """The name has no address, or its name server did not answer."""


class Resolver:
    """Caches answers for `ttl_s` and failures for 5 seconds.

    Names whose server was slow before share a few threads, so that they can't take them all from the others.
    """

    def __init__(self, *, ttl_s: float = 30, lookup: Lookup | None = None) -> None:
        self._ttl_s = ttl_s
        self._lookup = lookup or self._getaddrinfo
        self._threads = ThreadPoolExecutor(_THREADS, "dns") if lookup is None else None
        self._known: dict[str, tuple[float, Sequence[str] | Unresolvable]] = {}
        self._running: dict[str, asyncio.Task[Sequence[str]]] = {}
        self._slow: set[str] = set()
        self._slow_turn = asyncio.Semaphore(_SLOW_THREADS)

    async def resolve(self, host: str) -> Sequence[str]:
        """All addresses of the name, in the system's order of preference; raises Unresolvable."""
        known = self._known.get(host)
        if known is not None and known[0] > asyncio.get_running_loop().time():
            if isinstance(known[1], Unresolvable):
                raise Unresolvable(str(known[1]))
            return known[1]
        task = self._running.get(host)
        if task is None:
            task = asyncio.create_task(self._run(host))
            self._running[host] = task
            task.add_done_callback(self._forget)
        # One impatient caller must not end the look-up for the others.
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise Unresolvable("the resolver was closed") from None
            raise

    def close(self) -> None:
        """Stop what is running; threads inside the system's resolver end by themselves."""
        for task in self._running.values():
            task.cancel()
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, host: str) -> Sequence[str]:
        loop = asyncio.get_running_loop()
        if host in self._slow:
            async with self._slow_turn:
                return await self._ask(host, loop)
        return await self._ask(host, loop)

    async def _ask(self, host: str, loop: asyncio.AbstractEventLoop) -> Sequence[str]:
        started = loop.time()
        answer: Sequence[str] | Unresolvable
        try:
            async with asyncio.timeout(_LOOKUP_TIMEOUT_S):
                found = await self._lookup(host)
            answer = tuple(dict.fromkeys(found)) or Unresolvable(f"{host} has no address")
        except TimeoutError:
            answer = Unresolvable(f"the name server for {host} did not answer")
        except (OSError, UnicodeError):
            answer = Unresolvable(f"{host} can't be resolved; check its spelling and its DNS records")
        if isinstance(answer, tuple) and len(answer) > _MAX_ADDRESSES:
            answer = Unresolvable(f"{host} has more than {_MAX_ADDRESSES} addresses")
        now = loop.time()
        if len(self._known) >= _MAX_NAMES:
            self._known.clear()
            self._slow.clear()
        failed = isinstance(answer, Unresolvable)
        self._known[host] = (now + (_NEGATIVE_TTL_S if failed else self._ttl_s), answer)
        if now - started > _SLOW_S:
            self._slow.add(host)
        else:
            self._slow.discard(host)
        if isinstance(answer, Unresolvable):
            raise answer
        return answer

    def _forget(self, task: asyncio.Task[Sequence[str]]) -> None:
        self._running = {host: other for host, other in self._running.items() if other is not task}
        if not task.cancelled():
            # Retrieved here too, since every caller may have gone in the meantime.
            task.exception()

    async def _getaddrinfo(self, host: str) -> Sequence[str]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        )
        return [str(address[0]) for *_, address in found]
