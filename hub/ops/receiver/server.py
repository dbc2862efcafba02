"""The receiver itself: listens, judges signatures, remembers a bounded number of requests, and can disappear
and return.

Everything here runs on one event loop; call its methods from there. It listens on loopback unless told
otherwise.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence

from hub.ops.receiver.behaviour import OK, Behaviour, Course
from hub.ops.receiver.certificates import Authority
from hub.ops.receiver.conversation import Conversation, Request
from hub.ops.receiver.received import Received, judge

BACKLOG = 1024


class Receiver:
    """`on_request(received)` is called for each request before it is answered; `clock()` gives seconds since
    1970.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        secrets: Sequence[str] = (),
        authority: Authority | None = None,
        remember: int = 10_000,
        on_request: Callable[[Received], None] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.host, self.port, self.authority = host, port, authority
        self.secrets = list(secrets)
        self.received: deque[Received] = deque(maxlen=remember)
        self.connections = self.count = 0
        self._on_request, self._clock = on_request, clock
        self._courses: dict[str | None, Course] = {None: Course(OK)}
        self._secrets_of: dict[str, list[str]] = {}
        self._server: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()
        self._context = authority.server_context() if authority else None

    @property
    def listening(self) -> bool:
        return self._server is not None

    def url(self, path: str = "/") -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self._context else 'http'}://{host}:{self.port}{path}"

    def behave(self, behaviour: Behaviour | Sequence[Behaviour], *, path: str | None = None) -> None:
        """From the next request on, at this path or (None) wherever nothing else was said. Its counts begin
        anew.
        """
        self._courses[path] = Course(behaviour)

    def trust(self, *secrets: str, path: str | None = None) -> None:
        """Check signatures with these, at one path or (None) everywhere else."""
        if path is None:
            self.secrets = list(secrets)
        else:
            self._secrets_of[path] = list(secrets)

    def requests(self, path: str | None = None) -> list[Received]:
        """What is remembered, oldest first."""
        return [r for r in list(self.received) if path is None or r.path == path]

    def forget(self) -> None:
        self.received.clear()

    async def start(self) -> None:
        """Listen; port 0 becomes the port that was given. Raises OSError if it is taken."""
        self._server = await asyncio.start_server(
            self._talk, self.host, self.port, ssl=self._context, backlog=BACKLOG, reuse_address=True
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def disappear(self) -> None:
        """As if the machine had crashed: nothing listens, every connection is cut."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for talk in list(self._talks):
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)
        if server is not None:
            await server.wait_closed()

    async def appear(self) -> None:
        """Listen again, on the same port."""
        if self._server is None:
            await self.start()

    async def stop(self) -> None:
        await self.disappear()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        talk = asyncio.current_task()
        assert talk is not None
        self._talks.add(talk)
        try:
            await Conversation(reader, writer, number=self.connections, decide=self._decide).run()
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            self._talks.discard(talk)

    def _decide(self, request: Request, connection: int) -> tuple[Behaviour, Callable[[str], None]]:
        path = request.target.partition("?")[0]
        course = self._courses.get(path)
        behaviour = (self._courses[None] if course is None else course).next()

        def told(words: str) -> None:
            body = bytes(request.body)
            now = self._clock()
            verified, problem = judge(
                request.headers, body, self._secrets_of.get(path, self.secrets), now=now
            )
            self.count += 1
            received = Received(
                self.count,
                now,
                connection,
                request.method,
                path,
                request.headers,
                body,
                verified,
                problem,
                words,
            )
            self.received.append(received)
            if self._on_request is not None:
                self._on_request(received)

        return behaviour, told
