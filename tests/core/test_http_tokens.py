"""Access tokens from a real token server: one request for all who wait, a pause after failures, guarded like every request."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from hub.core import oauth
from hub.core.http import tokens as fetching
from hub.core.http.tokens import Tokens
from hub.core.oauth import Grant
from tests.core.conftest import Run
from tests.core.peer import sending, until
from tests.core.tokens import SECRET, refusal, source_of
from tests.demanding import TokenServer, running


@pytest.fixture
def server() -> Iterator[TokenServer]:
    with running(TokenServer()) as started:
        yield started


@pytest.mark.parametrize("client_auth", ["basic", "body"])
def test_fifty_who_need_a_token_at_once_cause_one_request(
    run: Run, server: TokenServer, client_auth: str
) -> None:
    async def story() -> None:
        async with sending() as sender:
            source = source_of(sender, server.url("/token"), client_auth=client_auth)
            assert source.held() == b""
            lines = await asyncio.gather(*[source.fetched() for _ in range(50)])
            assert set(lines) == {f"authorization: Bearer {server.issued[0]}\r\n".encode()}
            assert source.held() == await source.fetched() == lines[0]
        assert (len(server.asked), server.asked[0].target) == (1, "/token")

    run(story())


def test_a_token_is_fetched_anew_when_its_time_is_over(
    run: Run, server: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oauth, "SHORTEST_USE_S", 0.05)
    server.expires_in = 0

    async def story() -> None:
        async with sending() as sender:
            source = source_of(sender, server.url())
            first = await source.fetched()
            await until(lambda: source.held() == b"")
            second = await source.fetched()
            assert first != second
            assert len(server.issued) == 2

    run(story())


def test_who_is_cut_off_takes_the_token_from_nobody(run: Run, server: TokenServer) -> None:
    server.open.clear()

    async def story() -> None:
        async with sending() as sender:
            source = source_of(sender, server.url())
            waiting = [asyncio.create_task(source.fetched()) for _ in range(3)]
            await until(lambda: len(server.asked) == 1)
            waiting[0].cancel()
            server.open.set()
            assert len({await task for task in waiting[1:]}) == 1
            assert waiting[0].cancelled()
        assert len(server.asked) == 1

    run(story())


def test_a_failing_server_is_asked_once_and_then_spared(
    run: Run, server: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oauth, "FIRST_PAUSE_S", 0.2)
    monkeypatch.setattr(oauth, "LONGEST_PAUSE_S", 0.3)

    async def story() -> None:
        async with sending() as sender:
            source = source_of(sender, server.url(), secret="wrong")
            failures = await asyncio.gather(*[refusal(source) for _ in range(30)])
            assert {str(failure) for failure in failures} == {"the token server answered 401, invalid_client"}
            for _ in range(30):
                again = await refusal(source)
                assert (str(again), 0 < again.wait_s <= 0.2) == (str(failures[0]), True)
            assert len(server.asked) == 1
            await asyncio.sleep((await refusal(source)).wait_s + 0.01)
            await refusal(source)
            assert len(server.asked) == 2

    run(story())


def test_a_server_that_asks_for_a_pause_gets_it(run: Run, server: TokenServer) -> None:
    server.fail = (429, {"retry-after": "120"}, b"")

    async def story() -> None:
        async with sending() as sender:
            failure = await refusal(source_of(sender, server.url()))
            assert (str(failure), failure.wait_s) == ("the token server answered 429", 120)

    run(story())


def test_a_success_ends_the_series_of_failures(
    run: Run, server: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oauth, "FIRST_PAUSE_S", 0.01)

    async def story() -> None:
        async with sending() as sender:
            source = source_of(sender, server.url())
            server.fail = (500, {}, b"")
            waits = []
            for _ in range(4):
                waits.append((await refusal(source)).wait_s)
                await asyncio.sleep(waits[-1] + 0.005)
            assert waits[-1] > 0.03
            server.fail = None
            line = await source.fetched()
            monkeypatch.setattr(fetching, "AGAIN_AFTER_REFUSAL_S", 0.0)
            source.refused(line)
            server.fail = (500, {}, b"")
            assert (await refusal(source)).wait_s <= 0.01

    run(story())


def test_a_refused_token_is_dropped_once_and_not_again_at_once(run: Run, server: TokenServer) -> None:
    async def story() -> None:
        async with sending() as sender:
            source = source_of(sender, server.url())
            old = await source.fetched()
            for _ in range(5):
                source.refused(old)
            assert source.held() == b""
            new = await source.fetched()
            # Refusals of the old one that come late, and an endpoint that takes no fresh one either.
            source.refused(old)
            source.refused(new)
            assert source.held() == new
        assert len(server.asked) == 2

    run(story())


def test_a_refused_token_is_dropped_again_after_a_while(
    run: Run, server: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "AGAIN_AFTER_REFUSAL_S", 0.02)

    async def story() -> None:
        async with sending() as sender:
            source = source_of(sender, server.url())
            source.refused(await source.fetched())
            line = await source.fetched()

            def dropped() -> bool:
                source.refused(line)
                return source.held() == b""

            await until(dropped)

    run(story())


def test_credentials_are_told_apart_by_owner_and_by_every_member(run: Run, server: TokenServer) -> None:
    async def story() -> None:
        async with sending() as sender:
            tokens = Tokens(sender, allow_http=True)
            grant = Grant(server.url(), "hub", SECRET)
            others = [
                tokens.source(owner=2, grant=grant),
                *(
                    tokens.source(owner=1, grant=Grant(server.url(), "hub", SECRET, **{name: "x"}))
                    for name in ("scope", "audience", "resource")
                ),
            ]
            own = tokens.source(owner=1, grant=grant)
            assert tokens.source(owner=1, grant=Grant(server.url(), "hub", SECRET)) is own
            assert len({id(source) for source in (own, *others)}) == 5
            assert len({await source.fetched() for source in (own, *others)}) == 5

    run(story())


def test_sources_are_bounded_and_those_used_last_are_kept(
    run: Run, server: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "MOST_SOURCES", 2)

    async def story() -> None:
        async with sending() as sender:
            tokens = Tokens(sender, allow_http=True)
            first, second = (tokens.source(owner=n, grant=Grant(server.url(), "hub", SECRET)) for n in (1, 2))
            assert tokens.source(owner=1, grant=Grant(server.url(), "hub", SECRET)) is first
            tokens.source(owner=3, grant=Grant(server.url(), "hub", SECRET))
            assert tokens.source(owner=1, grant=Grant(server.url(), "hub", SECRET)) is first
            assert tokens.source(owner=2, grant=Grant(server.url(), "hub", SECRET)) is not second

    run(story())
