"""What a read that waits does with its request and its client; what it waits for is told in tests/consumption."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from hub.api.longpoll import TURN, LongPoll, Message, is_read
from hub.consumption.filtering import Filter
from hub.consumption.waiting import Interest, Waiting

READ = "/api/v1/consumption/ledger/read"
SCOPE: dict[str, Any] = {"type": "http", "method": "POST", "path": READ}
NOTHING = Interest(0, Filter(0, None, ("*",)))


class Client:
    """Sends these messages, then nothing until it leaves."""

    def __init__(self, *messages: Message) -> None:
        self._messages = list(messages)
        self._left = asyncio.Event()
        self.got: list[Message] = []

    async def receive(self) -> Message:
        if self._messages:
            return self._messages.pop(0)
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.got.append(message)

    def leave(self) -> None:
        self._left.set()


class Answering:
    """An application that echoes its body, and would wait `looks` times before it does."""

    def __init__(
        self, *, looks: int = 0, at_once: bool = False, seconds: float = 5.0,
        during: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self.looks, self.at_once, self.seconds, self.during = looks, at_once, seconds, during
        self.turns: list[float] = []
        self.given_back = 0

    def _give_back(self) -> None:
        self.given_back += 1

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message.get("more_body", False)
        turn = scope[TURN]
        turn.give_back = self._give_back
        self.turns.append(turn.waited_s)
        self.during()
        if len(self.turns) <= self.looks and turn.waited_s < self.seconds:
            turn.interest, turn.wait_s, turn.at_once = NOTHING, self.seconds, self.at_once
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body or b"empty"})


def piece(body: bytes, *, more: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


async def answered(app: Answering, client: Client, waiting: Waiting | None = None) -> list[Message]:
    await asyncio.wait_for(
        LongPoll(app, waiting=waiting or Waiting(), at_once=2)(SCOPE, client.receive, client.send), 5
    )
    return client.got


def test_only_reads_may_wait() -> None:
    assert is_read(SCOPE)
    for method, path in (
        ("GET", READ), ("POST", "/api/v1/consumption/ledger/ack"), ("POST", "/api/v1/consumption/a/b/read"),
        ("POST", "/api/v1/consumption/read"), ("POST", READ + "/"), ("POST", "/x" + READ), ("POST", READ + "\n"),
    ):  # fmt: skip
        assert not is_read({**SCOPE, "method": method, "path": path}), path


async def test_a_body_in_pieces_arrives_whole_at_each_look() -> None:
    app = Answering(looks=2, at_once=True)
    got = await answered(app, Client(piece(b"a", more=True), piece(b"b", more=True), piece(b"c")))
    assert [message.get("body") for message in got] == [None, b"abc"]
    assert len(app.turns) == 3


async def test_no_more_of_a_body_is_read_than_a_read_can_have() -> None:
    got = await answered(Answering(), Client(piece(b"x" * 70_000, more=True), piece(b"y" * 10)))
    assert len(got[1]["body"]) == 65_537


async def test_what_was_handed_out_to_a_client_that_has_gone_is_given_back() -> None:
    client = Client(piece(b"a"))
    app = Answering(during=client.leave)
    assert await answered(app, client) == []
    assert app.given_back == 1
    app.during = lambda: None
    stays = Client(piece(b"a"))
    assert len(await answered(app, stays)) == 2
    assert app.given_back == 1


async def test_a_client_that_leaves_before_its_request_is_whole_is_not_answered() -> None:
    app, client = Answering(), Client(piece(b"a", more=True))
    client.leave()
    assert await answered(app, client) == []
    assert app.turns == []


async def test_who_has_gone_before_its_turn_is_not_looked_for() -> None:
    app, client = Answering(), Client(piece(b"a"))
    client.leave()
    assert await answered(app, client) == []
    assert app.turns == []


async def test_a_client_that_leaves_while_it_waits_is_not_answered_and_waits_no_more() -> None:
    waiting, app, client = Waiting(), Answering(looks=1), Client(piece(b"a"))
    polling = asyncio.create_task(answered(app, client, waiting))
    while not len(waiting.watch):
        await asyncio.sleep(0)
    client.leave()
    assert await polling == []
    assert (len(waiting.watch), len(app.turns)) == (0, 1)
    waiting.close()


async def test_when_the_process_ends_it_gets_the_answer_that_was_kept_back() -> None:
    waiting, app, client = Waiting(), Answering(looks=1), Client(piece(b"a"))
    polling = asyncio.create_task(answered(app, client, waiting))
    while not len(waiting.watch):
        await asyncio.sleep(0)
    waiting.close()
    assert [message.get("body") for message in await polling] == [None, b"a"]
    assert len(app.turns) == 1


async def test_a_look_that_goes_on_ends_with_its_time() -> None:
    app = Answering(looks=10**9, at_once=True, seconds=0.05)
    got = await answered(app, Client(piece(b"a")))
    assert got[1]["body"] == b"a"
    assert len(app.turns) > 1
    assert app.turns == sorted(app.turns)
