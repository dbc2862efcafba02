"""The sender's usual life: requests, answers of every framing, kept-alive connections."""

from __future__ import annotations

import asyncio

import pytest

from tests.core.conftest import Run
from tests.core.peer import OK, Script, Talk, always, once, sending, serving, until


def test_a_request_goes_out_whole_and_its_answer_comes_back(run: Run) -> None:
    async def story() -> None:
        async with serving(always(OK)) as peer, sending(user_agent="Hub/1") as sender:
            target = sender.target(peer.url("/a?b=1"), allow_http=True, headers=[("X-One", "1")])
            reply = await sender.send(target, b"webhook-id: msg_1\r\n", b'{"a":1}', timeout_s=3)
            assert (reply.status, reply.error, reply.body, reply.body_size) == (200, "", b"ok", 2)
            assert (reply.truncated, reply.reused, reply.sent, reply.ip) == (False, False, True, "127.0.0.1")
            assert reply.headers == [(b"content-length", b"2")]
            assert 0 < reply.first_byte_us <= reply.total_us
            assert reply.connect_us > 0
            assert reply.tls_us == 0
            assert peer.requests == [
                b"POST /a?b=1 HTTP/1.1\r\nhost: 127.0.0.1:%d\r\nuser-agent: Hub/1\r\nX-One: 1\r\n"
                b'webhook-id: msg_1\r\ncontent-length: 7\r\n\r\n{"a":1}' % peer.port
            ]

    run(story())


def test_connections_are_kept_and_reused_newest_first(run: Run) -> None:
    async def story() -> None:
        async with serving(always(OK)) as peer, sending() as sender:
            target = sender.target(peer.url(), allow_http=True)
            same = sender.target(peer.url("/other"), allow_http=True)
            replies = await asyncio.gather(*[sender.send(target, b"", b"x", timeout_s=3) for _ in range(5)])
            assert [reply.reused for reply in replies] == [False] * 5
            for _ in range(10):
                reply = await sender.send(same, b"", b"x", timeout_s=3)
                assert (reply.reused, reply.connect_us) == (True, 0)
            assert (peer.connections, len(peer.requests)) == (5, 15)
            stats = sender.stats()
            assert (stats.open, stats.idle, stats.created, stats.reused) == (5, 5, 5, 10)

    run(story())


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1;x=y\r\nd\r\n0\r\n\r\n",
            200,
            b"abcd",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-After: 1\r\n\r\n",
            200,
            b"a",
        ),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + OK, 200, b"ok"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 99\r\n\r\n", 304, b""),
        (b"HTTP/1.1 302 Found\r\nlocation: /other\r\ncontent-length: 0\r\n\r\n", 302, b""),
        (b"HTTP/1.1 500 Oh No\r\ncontent-length: 4\r\n\r\noops", 500, b"oops"),
        (b"HTTP/1.1 299 \r\ncontent-length: 0\r\n\r\n", 299, b""),
    ],
)
def test_every_framing_is_understood_and_the_connection_kept(
    run: Run, answer: bytes, status: int, body: bytes
) -> None:
    async def story() -> None:
        async with serving(always(answer)) as peer, sending() as sender:
            target = sender.target(peer.url(), allow_http=True)
            for reused in (False, True):
                reply = await sender.send(target, b"", b"", timeout_s=3)
                assert (reply.status, reply.error, reply.body, reply.reused) == (status, "", body, reused)
                assert b"X-After" not in dict(reply.headers)
                assert b"link" not in dict(reply.headers)
            assert (peer.connections, len(peer.requests)) == (1, 2)

    run(story())


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\n\r\nall",
        b"HTTP/1.0 200 OK\r\ncontent-length: 3\r\n\r\nall",
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 3\r\n\r\nall",
        b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nallHTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad",
        b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nallHTT",
        b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nall???",
    ],
)
def test_a_connection_that_did_not_end_cleanly_is_not_used_again(run: Run, answer: bytes) -> None:
    async def story() -> None:
        async with serving(once(answer)) as peer, sending() as sender:
            target = sender.target(peer.url(), allow_http=True)
            for _ in range(2):
                reply = await sender.send(target, b"", b"", timeout_s=3)
                assert (reply.status, reply.error, reply.body, reply.reused) == (200, "", b"all", False)
            assert peer.connections == 2
            assert sender.stats().idle == 0

    run(story())


def test_the_answer_to_head_has_no_body(run: Run) -> None:
    async def story() -> None:
        answer = b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n"
        async with serving(once(answer, then="hang")) as peer, sending() as sender:
            target = sender.target(peer.url(), allow_http=True, method="HEAD")
            reply = await sender.send(target, b"", b"", timeout_s=3)
            assert (reply.status, reply.error, reply.body_size) == (200, "", 0)

    run(story())


def test_a_closed_kept_alive_connection_is_tried_once_more_on_a_fresh_one(run: Run) -> None:
    async def story() -> None:
        async def answers_once_a_connection(talk: Talk) -> None:
            await talk.request()
            await talk.say(OK)
            await talk.request()  # Read, and closed without a word.

        async with serving(answers_once_a_connection) as peer, sending() as sender:
            target = sender.target(peer.url(), allow_http=True)
            await sender.send(target, b"", b"1", timeout_s=3)
            reply = await sender.send(target, b"", b"2", timeout_s=3)
            assert (reply.status, reply.reused) == (200, False)
            assert [request[-1:] for request in peer.requests] == [b"1", b"2", b"2"]
            assert peer.connections == 2

    run(story())


@pytest.mark.parametrize("farewell", [b"H", b"HTTP/1.1 200 OK\r\n"])
def test_after_the_first_byte_of_an_answer_nothing_is_repeated(run: Run, farewell: bytes) -> None:
    async def story() -> None:
        async def breaks_off_the_second(talk: Talk) -> None:
            await talk.request()
            await talk.say(OK)
            await talk.request()
            await talk.say(farewell)

        async with serving(breaks_off_the_second) as peer, sending() as sender:
            target = sender.target(peer.url(), allow_http=True)
            await sender.send(target, b"", b"1", timeout_s=3)
            reply = await sender.send(target, b"", b"2", timeout_s=3)
            assert (reply.status, reply.error, reply.sent) == (0, "reset", True)
            assert (peer.connections, len(peer.requests)) == (1, 2)

    run(story())


def test_a_fresh_connection_is_never_tried_again(run: Run) -> None:
    async def story() -> None:
        async with serving(once(b"")) as peer, sending() as sender:
            reply = await sender.send(sender.target(peer.url(), allow_http=True), b"", b"x", timeout_s=3)
            assert (reply.status, reply.error, reply.sent) == (0, "reset", True)
            assert peer.connections == 1

    run(story())


@pytest.mark.parametrize("script", [once(OK), once(OK + b"\r\n" * 3, then="reset")])
def test_an_idle_connection_the_peer_closed_is_forgotten(run: Run, script: Script) -> None:
    async def story() -> None:
        async with serving(script) as peer, sending() as sender:
            target = sender.target(peer.url(), allow_http=True)
            assert (await sender.send(target, b"", b"", timeout_s=3)).status == 200
            await until(lambda: sender.stats().open == 0)
            assert (await sender.send(target, b"", b"", timeout_s=3)).status == 200
            assert len(peer.requests) == 2

    run(story())


def test_a_word_nobody_asked_for_ends_an_idle_connection(run: Run) -> None:
    async def story() -> None:
        async def talks_too_much(talk: Talk) -> None:
            await talk.request()
            await talk.say(OK)
            await asyncio.sleep(0.02)
            await talk.say(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")
            await talk.request()

        async with serving(talks_too_much) as peer, sending() as sender:
            target = sender.target(peer.url(), allow_http=True)
            await sender.send(target, b"", b"", timeout_s=3)
            await until(lambda: sender.stats().idle == 0)
            assert (await sender.send(target, b"", b"", timeout_s=3)).body == b"ok"
            assert peer.connections == 2

    run(story())


def test_idle_connections_are_closed_after_their_limit(run: Run) -> None:
    async def story() -> None:
        async with serving(always(OK)) as peer, sending(idle_limit_s=0.1) as sender:
            target = sender.target(peer.url(), allow_http=True)
            await sender.send(target, b"", b"", timeout_s=3)
            assert sender.stats().idle == 1
            await until(lambda: sender.stats().open == 0)

    run(story())


def test_idle_connections_are_bounded_and_the_oldest_makes_room(run: Run) -> None:
    async def story() -> None:
        async with (
            serving(always(OK)) as one,
            serving(always(OK)) as two,
            sending(max_idle_per_host=3, max_idle=4) as sender,
        ):
            targets = [sender.target(peer.url(), allow_http=True) for peer in (one, two)]
            for target in targets:
                await asyncio.gather(*[sender.send(target, b"", b"", timeout_s=3) for _ in range(8)])
            assert [len(target.origin.idle) for target in targets] == [1, 3]
            assert sender.stats().idle == 4

    run(story())


def test_a_cancelled_request_leaves_no_connection(run: Run) -> None:
    async def story() -> None:
        async with serving(once(b"", then="hang")) as peer, sending() as sender:
            target = sender.target(peer.url(), allow_http=True)
            task = asyncio.create_task(sender.send(target, b"", b"", timeout_s=30))
            await until(lambda: len(peer.requests) == 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await until(lambda: sender.stats().open == 0)

    run(story())


def test_closing_the_sender_ends_what_is_on_its_way(run: Run) -> None:
    async def story() -> None:
        async with serving(once(b"", then="hang")) as peer, sending() as sender:
            target = sender.target(peer.url(), allow_http=True)
            task = asyncio.create_task(sender.send(target, b"", b"", timeout_s=30))
            await until(lambda: len(peer.requests) == 1)
            await sender.aclose()
            assert (await task).error == "reset"
            reply = await sender.send(target, b"", b"", timeout_s=3)
            assert (reply.error, reply.sent) == ("connect-failed", False)

    run(story())
