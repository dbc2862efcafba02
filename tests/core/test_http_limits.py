"""Receivers that are slow, endless, huge, broken or hostile cost a bounded time and a bounded memory."""

from __future__ import annotations

import asyncio
import time
import tracemalloc
from itertools import count

import pytest

from tests.core.conftest import Run
from tests.core.peer import OK, Peer, Script, Talk, always, once, sending, serving

HEAD = b"HTTP/1.1 200 OK\r\n"


def forever(start: bytes, piece: bytes, *, pause_s: float = 0) -> Script:
    """After the request `start`, then `piece` again and again."""

    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.say(start)
        for _ in count():
            await talk.say(piece)
            await asyncio.sleep(pause_s)

    return script


@pytest.mark.parametrize(
    ("script", "status"),
    [
        (once(b"", then="hang"), 0),
        (once(b"HTTP/1.1 200", then="hang"), 0),
        (forever(b"", b"HTTP/1.1 102 Wait\r\n\r\n", pause_s=0.02), 0),
        (once(HEAD + b"content-length: 9\r\n\r\n", then="hang"), 200),
        (forever(HEAD + b"content-length: 999\r\n\r\n", b"x", pause_s=0.02), 200),
        (forever(HEAD + b"\r\n", b"x", pause_s=0.02), 200),
        (forever(HEAD + b"transfer-encoding: chunked\r\n\r\n", b"1\r\nx\r\n", pause_s=0.02), 200),
    ],
)
def test_one_deadline_holds_whatever_the_receiver_does(run: Run, script: Script, status: int) -> None:
    async def story() -> None:
        async with serving(script) as peer, sending() as sender:
            target = sender.target(peer.url(), allow_http=True)
            started = time.monotonic()
            reply = await sender.send(target, b"", b"", timeout_s=0.2)
            assert 0.19 <= time.monotonic() - started < 0.5
            assert (reply.error, reply.status, reply.sent) == ("read-timeout", status, True)
            assert bool(reply.first_byte_us) == (script is not None and peer.sent > 0)

    run(story())


@pytest.mark.parametrize(
    "script",
    [
        forever(HEAD + b"\r\n", b"x" * 65536),
        forever(HEAD + b"content-length: 1000000000\r\n\r\n", b"x" * 65536),
        forever(HEAD + b"transfer-encoding: chunked\r\n\r\n", b"10000\r\n" + b"x" * 65536 + b"\r\n"),
    ],
)
def test_an_endless_or_huge_answer_is_cut_off_and_counts_by_its_status(run: Run, script: Script) -> None:
    async def story() -> None:
        async with serving(script) as peer, sending() as sender:
            target = sender.target(peer.url(), allow_http=True)
            reply = await sender.send(target, b"", b"", timeout_s=5, capture=1000)
            assert (reply.status, reply.error, reply.truncated) == (200, "", True)
            assert reply.body == b"x" * 1000
            assert 1000 < reply.body_size < 400_000
            assert reply.total_us < 2_000_000
            assert sender.stats().idle == 0
            assert peer.sent < 50_000_000

    run(story())


def test_an_answer_a_little_over_the_capture_keeps_the_connection(run: Run) -> None:
    async def story() -> None:
        answer = HEAD + b"content-length: 20000\r\n\r\n" + b"x" * 20_000
        async with serving(always(answer)) as peer, sending() as sender:
            target = sender.target(peer.url(), allow_http=True)
            for reused in (False, True):
                reply = await sender.send(target, b"", b"", timeout_s=3, capture=100)
                assert (len(reply.body), reply.body_size, reply.truncated) == (100, 20_000, True)
                assert (reply.error, reply.reused) == ("", reused)
            reply = await sender.send(target, b"", b"", timeout_s=3, capture=20_000)
            assert (reply.body_size, reply.truncated) == (20_000, False)

    run(story())


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"HTTP/1.1 2x0 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        HEAD + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
        HEAD + b"content-length: 5\r\ncontent-length: 6\r\n\r\nabcdef",
        HEAD + b"content-length: -1\r\n\r\n",
        HEAD + b"content-length: 99999999999999999999999\r\n\r\n",
        HEAD + b"transfer-encoding: chunked\r\n\r\nZZ\r\n",
        HEAD + b"bad header\r\n\r\n",
        HEAD + b"x: a\x00b\r\n\r\n",
        HEAD + b"x: 1\r\n" * 65 + b"\r\n",
        HEAD + b"x: " + b"y" * 17_000 + b"\r\n\r\n",
        HEAD + b"x: " + b"y" * 100_000,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 5_000,
    ],
)
def test_what_is_not_proper_http_is_an_invalid_response(run: Run, answer: bytes) -> None:
    async def story() -> None:
        async with serving(once(answer, then="hang")) as peer, sending() as sender:
            reply = await sender.send(sender.target(peer.url(), allow_http=True), b"", b"", timeout_s=3)
            assert (reply.error, reply.status) == ("invalid-response", 0) or (
                # Chunks that break off come after a good head.
                answer.endswith(b"ZZ\r\n") and (reply.error, reply.status) == ("invalid-response", 200)
            )
            assert reply.detail
            assert sender.stats().idle == 0

    run(story())


@pytest.mark.parametrize(
    ("start", "piece", "error"),
    [
        (HEAD, b"x: y\r\n", "invalid-response"),
        (HEAD + b"x: ", b"y" * 500, "invalid-response"),
        (b"HTTP/1.1 200 ", b"y" * 500, "invalid-response"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n", "invalid-response"),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n0\r\nx: ", b"y" * 20_000, ""),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n1;", b"y" * 20_000, ""),
    ],
)
def test_heads_trailers_and_chunk_extensions_without_end_are_bounded(
    run: Run, start: bytes, piece: bytes, error: str
) -> None:
    async def story() -> None:
        async with serving(forever(start, piece)) as peer, sending() as sender:
            target = sender.target(peer.url(), allow_http=True)
            reply = await sender.send(target, b"", b"", timeout_s=5, capture=1000)
            assert reply.error == error
            assert reply.truncated is (error == "")
            assert reply.total_us < 3_000_000

    run(story())


@pytest.mark.parametrize(
    ("script", "status"),
    [
        (once(b"", then="reset"), 0),
        (once(b"HTTP/1.1 200 OK\r\nx", then="reset"), 0),
        (once(b"HTTP/1.1 200 OK\r\nx"), 0),
        (once(HEAD + b"content-length: 9\r\n\r\nabc"), 200),
        (once(HEAD + b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n"), 200),
    ],
)
def test_a_connection_that_breaks_off_is_a_reset(run: Run, script: Script, status: int) -> None:
    async def story() -> None:
        async with serving(script) as peer, sending() as sender:
            reply = await sender.send(sender.target(peer.url(), allow_http=True), b"", b"", timeout_s=3)
            assert (reply.error, reply.status, reply.sent) == ("reset", status, True)
            assert reply.body == (b"abc" if status else b"")
            assert peer.connections == 1

    run(story())


def test_a_large_body_goes_out_whole(run: Run) -> None:
    async def story() -> None:
        body = bytes(range(256)) * 1024
        async with serving(always(OK)) as peer, sending() as sender:
            target = sender.target(peer.url(), allow_http=True)
            for _ in range(3):
                assert (await sender.send(target, b"", body, timeout_s=3)).status == 200
            assert [request.endswith(body) for request in peer.requests] == [True] * 3
            assert peer.connections == 1

    run(story())


def test_an_answer_before_the_end_of_the_request_ends_the_connection(run: Run) -> None:
    async def story() -> None:
        async def refuses_early(talk: Talk) -> None:
            await talk.reader.readuntil(b"\r\n\r\n")
            await talk.say(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
            await asyncio.sleep(60)

        async with serving(refuses_early) as peer, sending() as sender:
            target = sender.target(peer.url(), allow_http=True)
            reply = await sender.send(target, b"", b"x" * 30_000_000, timeout_s=3)
            assert (reply.status, reply.error) == (413, "")
            assert sender.stats().idle == 0

    run(story())


def test_fifty_hanging_endpoints_cost_bounded_time_and_memory(run: Run) -> None:
    async def story() -> None:
        async def reads_nothing(talk: Talk) -> None:
            await asyncio.sleep(60)

        async with serving(reads_nothing) as peer, serving(always(OK)) as good, sending() as sender:
            assert isinstance(peer, Peer)
            body = b"x" * 262_144
            target = sender.target(peer.url(), allow_http=True)
            healthy = sender.target(good.url(), allow_http=True)
            tracemalloc.start()
            started = time.monotonic()
            hanging = [asyncio.create_task(sender.send(target, b"", body, timeout_s=0.6)) for _ in range(50)]
            await asyncio.sleep(0.1)
            assert (await sender.send(healthy, b"", b"", timeout_s=0.2)).status == 200
            allocated = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            # The request of each, once as sent and once as the transport holds it, and little more.
            assert allocated < 2.2 * 50 * len(body)
            assert {(await task).error for task in hanging} == {"read-timeout"}
            assert time.monotonic() - started < 1.5
            await asyncio.sleep(0.02)
            assert sender.stats().open == 1

    run(story())
