"""Reads that wait: held on the event loop while nothing is there, and only looked up, in a thread, when there may be something.

A read that found nothing says in its turn what it waits for; its answer is kept back, and the same request goes to the view
again when it is woken. It never reads an event itself.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from django.db import connection
from rest_framework.request import Request

from hub.consumption.waiting import Interest, TooMany, Waiting
from hub.core import ids
from hub.core.problems import CONTENT_TYPE, Problem, overloaded, problem

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

TURN: Final = "hub.turn"
_READ: Final = re.compile(r"/api/v1/consumption/[^/]+/read")
_BODY: Final = 65_536


@dataclass(slots=True)
class Turn:
    """One look of a read: how long it has waited before; and, set by the view, for what and how long it would wait.

    `at_once`: the view has not looked at everything yet, so that it goes on without waiting for news. `give_back`: undoes
    what was handed out, for a client that has gone away meanwhile.
    """

    waited_s: float
    interest: Interest | None = None
    wait_s: float = 0.0
    at_once: bool = False
    give_back: Callable[[], object] | None = None


def turn_of(request: Request) -> Turn:
    """The look that the request is. Where nobody can hold a read, one whose time is over."""
    turn: Turn | None = getattr(request._request, "scope", {}).get(TURN)
    return Turn(float("inf")) if turn is None else turn


def is_read(scope: Scope) -> bool:
    """Is it a request that may wait?"""
    return bool(scope["method"] == "POST" and _READ.fullmatch(scope["path"]))


class LongPoll:
    """An ASGI application around the one that answers reads; `at_once` of them look at the same time."""

    def __init__(self, app: App, *, waiting: Waiting, at_once: int) -> None:
        self._app = app
        self._waiting = waiting
        self._looking = asyncio.Semaphore(at_once)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        body, whole = b"", False
        while not whole:
            message = await receive()
            if message["type"] != "http.request":
                return
            body += message.get("body", b"")
            whole = not message.get("more_body")
            if len(body) > _BODY and not whole:
                # No read is that long; the view says so.
                body, whole = body[: _BODY + 1], True
        while True:
            async with self._looking:
                if await _is_gone(receive):
                    return
                turn = Turn(loop.time() - begun)
                answer = await self._look({**scope, TURN: turn}, body)
            left = turn.wait_s - (loop.time() - begun)
            if turn.interest is None or left <= 0:
                break
            if turn.at_once:
                continue
            try:
                gone, again = await self._wait(turn.interest, left, receive)
            except TooMany as refused:
                answer = _refusal(_too_many(refused))
                break
            if gone:
                return
            if not again:
                break
        if turn.give_back is not None and await _is_gone(receive):
            await asyncio.to_thread(_aside, turn.give_back)
            return
        for message in answer:
            await send(message)

    async def _look(self, scope: Scope, body: bytes) -> list[Message]:
        """What the view answers. It always comes to its end: what it hands out is known then, and can be given back."""
        answer: list[Message] = []
        asked = False

        async def receive() -> Message:
            nonlocal asked
            if asked:
                await asyncio.get_running_loop().create_future()
            asked = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            answer.append(message)

        await self._app(scope, receive, send)
        return answer

    async def _wait(self, interest: Interest, seconds: float, receive: Receive) -> tuple[bool, bool]:
        """(the client is gone, look again)."""
        leaving = asyncio.create_task(_left(receive))
        woken = asyncio.create_task(self._waiting.wait(interest, seconds=seconds))
        try:
            await asyncio.wait((leaving, woken), return_when=asyncio.FIRST_COMPLETED)
            if leaving.done():
                return True, False
            return False, woken.result()
        finally:
            for task in (leaving, woken):
                task.cancel()
            await asyncio.gather(leaving, woken, return_exceptions=True)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _is_gone(receive: Receive) -> bool:
    """Has the client hung up already? Does not wait for it."""
    leaving = asyncio.create_task(_left(receive))
    await asyncio.sleep(0)
    gone = leaving.done()
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    return gone


def _aside(act: Callable[[], object]) -> None:
    """In a thread that has a database session for this alone."""
    try:
        act()
    finally:
        connection.close()


def _too_many(refused: TooMany) -> Problem:
    if refused.own:
        return problem(
            "rate-limited", "Too many readers of this environment wait already. Read with fewer, or without waiting.",
            headers={"Retry-After": "1"},
        )  # fmt: skip
    return overloaded("Too many readers wait at the moment; read without waiting.", retry_after_s=1)


def _refusal(refusal: Problem) -> list[Message]:
    request_id = ids.new_id("req")
    body = refusal.json(request_id)
    head = {"content-type": CONTENT_TYPE, "x-request-id": request_id, "cache-control": "no-store"}
    head |= {"content-length": str(len(body))} | {k.lower(): v for k, v in refusal.headers.items()}
    headers = [(name.encode(), value.encode()) for name, value in head.items()]
    return [
        {"type": "http.response.start", "status": refusal.status, "headers": headers},
        {"type": "http.response.body", "body": body},
    ]
