"""A proxy that fails, refuses or speaks nonsense: told from an endpoint that does, and never named to a tenant."""

from __future__ import annotations

import socket

import pytest

from hub.core.proxy import Proxy
from tests.core.conftest import Run
from tests.core.proxy import HERE, NAME, OPEN, proxying, send, sending_through

REFUSALS = [
    (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "connect-failed", f"could not reach {NAME} (502)"),
    (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "connect-failed", f"could not reach {NAME} (503)"),
    (b"HTTP/1.1 504 Gateway Timeout\r\n\r\n", "connect-timeout", f"did not reach {NAME} in time"),
    (b"HTTP/1.1 403 Forbidden\r\n\r\n", "proxy-failed", "refused to connect to port 443 (403)"),
    (b"HTTP/1.1 407 Who?\r\n\r\n", "proxy-failed", "wants other credentials"),
    (b"HTTP/1.1 302 Found\r\nlocation: x\r\n\r\n", "proxy-failed", "refused to connect to port 443 (302)"),
    (b"HTTP/1.1 500 Oh\r\n\r\n", "proxy-failed", "(500)"),
    (b"SSH-2.0-OpenSSH_9.7\r\n\r\n", "proxy-failed", "is not HTTP"),
    (b"HTTP/1.1 999 x\r\n\r\n", "proxy-failed", "is not HTTP"),
    (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 4000, "proxy-failed", "has no end"),
    (OPEN + b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", "proxy-failed", "sent more than its answer"),
    (OPEN + b"\r\n\r\n", "proxy-failed", "sent more than its answer"),
]


@pytest.mark.parametrize(("answer", "error", "words"), REFUSALS)
def test_what_a_proxy_answers_has_its_reason_and_never_its_address(
    run: Run, answer: bytes, error: str, words: str
) -> None:
    async def story() -> None:
        async with (
            proxying(missing=answer) as through,
            sending_through(through.proxy(), ca_file=None) as sender,
        ):
            reply = await send(sender, f"https://{NAME}/", b"secret")
            assert (reply.error, reply.status, reply.sent) == (error, 0, False)
            assert words in reply.detail
            assert str(through.port) not in reply.detail
            assert b"secret" not in b"".join(through.heads)

    run(story())


def test_a_proxy_that_refuses_the_credentials_shows_its_page_to_no_tenant(run: Run) -> None:
    async def story() -> None:
        async with (
            proxying(credentials="hub:right") as through,
            sending_through(through.proxy("hub:wrong")) as sender,
        ):
            for scheme in ("http", "https"):
                reply = await send(sender, f"{scheme}://{NAME}/")
                assert (reply.error, reply.status, reply.body, reply.headers) == ("proxy-failed", 0, b"", [])
                assert reply.body_size == 0

    run(story())


def test_a_proxy_that_is_away_deaf_or_silent_is_told_from_an_endpoint_that_is(run: Run) -> None:
    async def story() -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
            for url in (f"https://{NAME}/", f"http://{NAME}/"):
                async with sending_through(Proxy("127.0.0.1", port)) as sender:
                    reply = await send(sender, url)
                    assert (reply.error, reply.detail) == ("proxy-failed", "the hub's proxy can't be reached")
        async with (
            proxying(answers=False) as through,
            sending_through(through.proxy(), connect_timeout_s=0.2) as sender,
        ):
            reply = await send(sender, f"https://{NAME}/")
            assert (reply.error, reply.sent) == ("connect-timeout", False)
            assert reply.detail == f"the hub's proxy did not reach {HERE} in time"

    run(story())


def test_a_deaf_proxy_times_out_as_the_proxy(run: Run) -> None:
    async def story() -> None:
        # A full backlog: Linux then drops further connection requests without a word.
        with socket.socket() as deaf:
            deaf.bind(("127.0.0.1", 0))
            deaf.listen(0)
            fillers = [socket.socket() for _ in range(4)]
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(deaf.getsockname())
            proxy = Proxy("127.0.0.1", deaf.getsockname()[1])
            async with sending_through(proxy, connect_timeout_s=0.2) as sender:
                reply = await send(sender, f"https://{NAME}/")
                assert reply.error == "proxy-failed"
                assert reply.detail == "the hub's proxy did not accept the connection in time"
            for filler in fillers:
                filler.close()

    run(story())
