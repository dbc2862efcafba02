"""One attempt at an endpoint that wants an access token: where the token goes, what its lack costs, and whom it holds up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from hub.core import ids
from hub.core.http.tokens import Tokens
from hub.core.signing import new_secret
from hub.delivery import sending as module
from hub.delivery.detours import Detours
from hub.delivery.endpoint import Endpoint
from hub.delivery.items import Event, Item, Outcome
from hub.delivery.lane import Lane, Store
from hub.delivery.outcome import Reason
from hub.delivery.sending import Sending
from hub.delivery.states import NOT_FINAL, WORDS, State
from hub.delivery.tally import Tally
from hub.sinks.session import SinkSession
from hub.subscriptions import vault
from tests.core import peer
from tests.delivery.test_lane import endpoint
from tests.demanding import DONE, Demanding, TokenServer, running

UID = "sub_x"


class Present:
    """What a sender asks of the session that records: it is always there."""

    def fresh(self) -> bool:
        return True

    async def refresh(self) -> None:
        raise AssertionError("it is fresh")

    def now(self) -> float:
        return time.time()


@pytest.fixture
def server() -> Iterator[TokenServer]:
    with running(TokenServer()) as started:
        yield started


@pytest.fixture
def target(server: TokenServer) -> Iterator[Demanding]:
    with running(Demanding(server.demanded)) as started:
        yield started


def guarded(server: TokenServer, url: str, **more: object) -> Endpoint:
    """An endpoint whose subscription has the token server's credentials."""
    secret = str(more.pop("secret", server.secret))
    auth = {"token_url": server.url("/token"), "client_id": server.client, "client_secret": secret}
    return open_to(
        url,
        auth_kind="oauth2",
        auth_sealed=vault.seal_map(subscription=UID, part="auth", values=auth),
        **more,
    )


def open_to(url: str, **more: object) -> Endpoint:
    signs = [vault.seal_secret(subscription=UID, text=new_secret())]
    return endpoint(**{"url": url, "sealed": signs, "expiries": [None], "capture": "all", **more})


def item(*, size: int = 10, age_s: float = 0.0) -> Item:
    now = time.time() - age_s
    day = datetime.fromtimestamp(now, UTC).date()
    data = b'"' + b"x" * (size - 2) + b'"' if size <= 16_384 else None
    made = Event(day, 3, 1, ids.uuid7(), 1, None, 0, 0, size, now, None, "a.b", None, None, None, None, data)
    return Item(made, None)


async def load(event: Event) -> None:
    event.data = b'"' + b"x" * (event.size - 2) + b'"'


class Hub:
    """A sender and what belongs to it; use it as a context."""

    async def __aenter__(self) -> Hub:
        self._around = peer.sending()
        sender = await self._around.__aenter__()
        self.sending = Sending(
            fence=Present(), sender=sender, tokens=Tokens(sender, allow_http=True), tally=Tally(), load=load,
            detours=Detours(sender, SinkSession()),
            capture_bytes=1000, allow_http=True,
        )  # fmt: skip
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self._around.__aexit__(None, None, None)

    async def attempt(self, lane: Lane, one: Item | None = None) -> Outcome:
        return await self.sending.attempt(lane, one or item())


async def test_the_token_goes_to_the_endpoint_and_into_nothing_that_is_kept(
    server: TokenServer, target: Demanding
) -> None:
    async with Hub() as hub:
        lane = Lane(guarded(server, target.url()), Store())
        outcomes = await asyncio.gather(*[hub.attempt(lane) for _ in range(50)])
        assert {outcome.reason for outcome in outcomes} == {Reason.delivered}
        assert (len(server.asked), len(target.asked)) == (1, 50)
        (token,) = server.issued
        assert {asked.headers["authorization"] for asked in target.asked} == {f"Bearer {token}"}
        for outcome in outcomes:
            assert outcome.request is not None
            assert b"webhook-id" in outcome.request
            kept = outcome.request + outcome.headers + outcome.body + (outcome.detail or "").encode()
            assert token.encode() not in kept
            assert b"authorization" not in kept.lower()


async def test_without_a_token_nothing_is_sent_and_the_lane_waits(
    server: TokenServer, target: Demanding
) -> None:
    async with Hub() as hub:
        lane = Lane(guarded(server, target.url(), secret="wrong"), Store())
        outcome = await hub.attempt(lane, one := item())
        assert (outcome.reason, outcome.finish, outcome.http) == (Reason.token_failed, NOT_FINAL, 0)
        assert outcome.detail == "the token server answered 401, invalid_client"
        assert outcome.wait_s is not None
        assert (one.attempts, outcome.digest, outcome.request) == (1, None, None)
        now = asyncio.get_running_loop().time()
        assert now < lane.gate(now) <= now + 1.0
        # It counts for the breaker, since it is the partner's to mend.
        assert (lane.failing_since is None, lane.breaker.window) == (False, 1)
        assert target.asked == []


async def test_the_last_attempt_without_a_token_is_dead(server: TokenServer, target: Demanding) -> None:
    async with Hub() as hub:
        lane = Lane(guarded(server, target.url(), secret="wrong", retry_schedule=[]), Store())
        assert (await hub.attempt(lane)).finish == WORDS[State.dead].end


async def test_a_401_drops_the_token_and_the_next_try_brings_a_new_one(
    server: TokenServer, target: Demanding
) -> None:
    async with Hub() as hub:
        lane = Lane(guarded(server, target.url()), Store())
        assert (await hub.attempt(lane)).reason == Reason.delivered
        server.valid.clear()
        late = await asyncio.gather(*[hub.attempt(lane) for _ in range(3)])
        assert {outcome.reason for outcome in late} == {Reason.http_401}
        assert (await hub.attempt(lane)).reason == Reason.delivered
        assert len(server.asked) == 2


async def test_an_endpoint_that_takes_no_token_at_all_does_not_wear_out_the_token_server(
    server: TokenServer,
) -> None:
    with running(Demanding(lambda _: (401, {}, b""))) as never:
        async with Hub() as hub:
            lane = Lane(guarded(server, never.url()), Store())
            for _ in range(10):
                assert (await hub.attempt(lane)).reason == Reason.http_401
            assert len(server.asked) == 2


async def test_a_slow_token_server_holds_up_nobody_else(
    server: TokenServer, target: Demanding, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Room for one large body: who waits for a token must not sit in it.
    monkeypatch.setattr(module, "MOST_FLYING_BYTES", 50_000)
    server.open.clear()
    with running(Demanding(lambda _: DONE)) as other:
        async with Hub() as hub:
            slow, quick = Lane(guarded(server, target.url()), Store()), Lane(open_to(other.url()), Store())
            waiting = [asyncio.create_task(hub.attempt(slow, item(size=40_000))) for _ in range(3)]
            await peer.until(lambda: len(server.asked) == 1)
            for size in (10, 40_000):
                assert (await hub.attempt(quick, item(size=size))).reason == Reason.delivered
            assert not any(task.done() for task in waiting)
            server.open.set()
            assert {(await task).reason for task in waiting} == {Reason.delivered}
            assert len(server.asked) == 1


async def test_a_token_never_goes_where_a_changed_subscription_points_meanwhile(
    server: TokenServer, target: Demanding
) -> None:
    server.open.clear()
    with running(Demanding(lambda _: DONE)) as other:
        async with Hub() as hub:
            lane = Lane(guarded(server, target.url()), Store())
            waiting = asyncio.create_task(hub.attempt(lane))
            await peer.until(lambda: len(server.asked) == 1)
            lane.reconfigure(open_to(other.url()))
            server.open.set()
            assert (await waiting).reason == Reason.delivered
            assert (len(target.asked), other.asked) == (1, [])


async def test_a_token_that_failed_for_old_credentials_does_not_hold_the_new_ones(
    server: TokenServer, target: Demanding
) -> None:
    server.open.clear()
    async with Hub() as hub:
        lane = Lane(guarded(server, target.url(), secret="wrong"), Store())
        waiting = asyncio.create_task(hub.attempt(lane))
        await peer.until(lambda: len(server.asked) == 1)
        lane.reconfigure(guarded(server, target.url()))
        server.open.set()
        assert (await waiting).reason == Reason.token_failed
        assert lane.gate(asyncio.get_running_loop().time()) == 0.0
        assert (await hub.attempt(lane)).reason == Reason.delivered


async def test_what_is_not_sent_anyway_asks_for_no_token(server: TokenServer) -> None:
    async with Hub() as hub:
        lane = Lane(guarded(server, "http://127.0.0.1:9/"), Store())
        expired = await hub.attempt(lane, item(age_s=3700))
        assert (expired.reason, expired.finish) == (Reason.expired, WORDS[State.expired].end)
        refused = await hub.attempt(Lane(guarded(server, "http://10.0.0.1/"), Store()))
        assert (refused.reason, refused.finish) == (Reason.blocked_address, WORDS[State.dead].end)
        assert server.asked == []


async def test_a_changed_subscription_finds_the_token_of_its_credentials(
    server: TokenServer, target: Demanding
) -> None:
    async with Hub() as hub:
        lane = Lane(guarded(server, target.url("/a")), Store())
        await hub.attempt(lane)
        lane.reconfigure(guarded(server, target.url("/b"), timeout_s=9))
        await hub.attempt(lane)
        assert ([asked.target for asked in target.asked], len(server.asked)) == (["/a", "/b"], 1)
