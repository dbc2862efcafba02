"""Requests for tokens are guarded as deliveries are: addresses, redirects, size, time, TLS and its certificates."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.core.addresses import AddressGuard
from hub.core.client_certificates import read
from hub.core.http.sender import Sender
from hub.core.http.tokens import Tokens
from hub.core.oauth import Grant
from hub.ops.receiver.certificates import Authority
from tests.core.conftest import Run
from tests.core.peer import once, sending, serving, until
from tests.core.tokens import SECRET, refusal, source_of
from tests.demanding import TokenServer, running, strict_context

NOW = dt.datetime.now(dt.UTC)


@pytest.fixture
def server() -> Iterator[TokenServer]:
    with running(TokenServer()) as started:
        yield started


def test_a_server_that_is_too_slow_is_given_up(run: Run, server: TokenServer) -> None:
    server.open.clear()

    async def story() -> None:
        async with sending() as sender:
            failure = await refusal(source_of(sender, server.url(), timeout_s=0.2))
            assert str(failure) == "the token server could not be asked: no complete answer came in time"
        server.open.set()

    run(story())


def test_an_answer_is_read_up_to_a_size_and_a_redirect_not_followed(run: Run, server: TokenServer) -> None:
    async def story() -> None:
        async with sending() as sender:
            server.fail = (200, {}, b'{"access_token": "' + b"x" * 200_000 + b'"}')
            assert "of a sensible size" in str(await refusal(source_of(sender, server.url("/large"))))
            server.fail = (307, {"location": server.url("/elsewhere")}, b"")
            assert "which is never followed" in str(await refusal(source_of(sender, server.url("/moved"))))
        assert [asked.target for asked in server.asked] == ["/large", "/moved"]

    run(story())


def test_the_guard_judges_the_token_server_as_every_other(run: Run, server: TokenServer) -> None:
    async def private(host: str) -> list[str]:
        return ["10.0.0.1"]

    async def story() -> None:
        async with sending(lookup=private) as sender:
            named = await refusal(source_of(sender, "http://auth.example.com/"))
            assert "leads to a private address" in str(named)
        sender = Sender(guard=AddressGuard())
        literal = await refusal(source_of(sender, server.url()))
        assert str(literal).startswith("the token server may not be called: 127.0.0.1 is a loopback address")
        plain = await refusal(source_of(sender, "http://auth.example.com/", allow_http=False))
        assert "use https://" in str(plain)
        await sender.aclose()
        assert server.asked == []

    run(story())


def test_a_server_that_is_away_or_speaks_nonsense_is_a_failure_like_others(run: Run) -> None:
    async def story() -> None:
        async with sending() as sender:
            async with serving(once(b"SMTP ready\r\n")) as peer:
                assert "not valid HTTP" in str(await refusal(source_of(sender, peer.url())))
            gone = await refusal(source_of(sender, peer.url("/gone")))
            assert "could not be asked: nothing listens" in str(gone)

    run(story())


def test_a_token_server_behind_an_own_authority_and_a_client_certificate_is_served(
    run: Run, tmp_path: Path
) -> None:
    for name in ("public", "partners"):
        (tmp_path / name).mkdir()
    public, partners = (Authority(tmp_path / name, now=NOW) for name in ("public", "partners"))
    chain, key = partners.client("shop", now=NOW)
    identity, described = read(chain=chain, key=key, now=NOW)

    async def story() -> None:
        with running(TokenServer(context=strict_context(public, partners))) as server:
            async with sending() as sender:
                untrusted = await refusal(
                    source_of(sender, server.url(), allow_http=False, identity=identity)
                )
                assert "is not trusted" in str(untrusted)
            async with sending(ca_file=str(public.ca_pem)) as sender:
                source = source_of(sender, server.url(), allow_http=False, identity=identity)
                assert (await source.fetched()).decode().endswith(f"{server.issued[0]}\r\n")
            assert [asked.client for asked in server.asked] == [described.fingerprint_sha256]

    run(story())


def test_the_end_of_the_hub_leaves_nobody_waiting(run: Run, server: TokenServer) -> None:
    server.open.clear()

    async def story() -> None:
        async with sending() as sender:
            tokens = Tokens(sender, allow_http=True)
            source = tokens.source(owner=1, grant=Grant(server.url(), "hub", SECRET))
            waiting = asyncio.create_task(refusal(source))
            await until(lambda: len(server.asked) == 1)
            tokens.close()
            assert str(await waiting) == "the hub is stopping"
        server.open.set()

    run(story())
