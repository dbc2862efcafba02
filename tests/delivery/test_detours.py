"""Attempts that never leave the hub, through the same judgement as all others; and what everybody else pays for them: one test."""

from __future__ import annotations

import asyncio

import pytest
from django.conf import settings

from hub.delivery.lane import NEVER, Lane, Store
from hub.delivery.outcome import Reason
from hub.delivery.retry import RETRY_AFTER_CAP_S
from hub.delivery.states import NOT_FINAL, WORDS, State
from hub.subscriptions.simulation import stored
from tests.delivery.test_lane import endpoint
from tests.delivery.test_sending_with_tokens import Hub, item, open_to
from tests.demanding import DONE, Demanding, running

SINK = f"{settings.PUBLIC_URL}/sink/{'t' * 32}"


def test_only_who_simulates_or_has_a_sink_takes_a_detour() -> None:
    assert (endpoint().detour, endpoint().to_sink) == (False, False)
    assert (endpoint(simulate=stored({"status": 503})).detour, endpoint(url=SINK).detour) == (True, True)
    for near in (
        f"{settings.PUBLIC_URL}/sinks/{'t' * 32}",
        f"https://a.example/?{SINK}",
        SINK.replace("http", "HTTP"),
    ):
        assert endpoint(url=near).detour is False, near


async def test_a_simulated_429_is_judged_as_one_and_nothing_is_sent() -> None:
    with running(Demanding(lambda _: DONE)) as target:
        async with Hub() as hub:
            told = stored({"status": 429, "retry_after_s": 60})
            lane = Lane(open_to(target.url(), simulate=told), Store())
            outcome = await hub.attempt(lane, one := item())
            assert (outcome.reason, outcome.http, outcome.finish) == (Reason.http_429, 429, NOT_FINAL)
            assert (outcome.detail, outcome.headers) == ("simulated: 429", b"retry-after: 60\r\n")
            assert outcome.wait_s is not None
            assert 60 <= outcome.wait_s <= 66
            assert one.attempts == 1
            now = asyncio.get_running_loop().time()
            assert now + 59 < lane.gate(now) <= now + 61
            lane.reconfigure(open_to(target.url(), simulate=told, version=2))
            assert lane.gate(now) > now
            lane.reconfigure(open_to(target.url(), version=3))
            assert lane.gate(now) == 0.0
            assert (await hub.attempt(lane)).reason == Reason.delivered
            assert len(target.asked) == 1


async def test_simulated_failures_open_the_breaker_and_the_end_of_it_closes_it() -> None:
    async with Hub() as hub:
        told = stored({"reset": True})
        lane = Lane(open_to("http://127.0.0.1:9/", simulate=told, retry_schedule=[]), Store())
        for _ in range(20):
            assert (await hub.attempt(lane)).finish == WORDS[State.dead].end
        assert [transition.new.name for transition in lane.transitions] == ["open"]
        assert lane.gate(0.0) not in (0.0, NEVER)
        lane.reconfigure(open_to("http://127.0.0.1:9/", version=2))
        assert lane.gate(0.0) == 0.0
        assert lane.failing_since is None


async def test_where_it_does_not_strike_the_endpoint_is_asked() -> None:
    with running(Demanding(lambda _: DONE)) as target:
        async with Hub() as hub:
            lane = Lane(open_to(target.url(), simulate=stored({"status": 500, "first": 1})), Store())
            one = item()
            assert [(await hub.attempt(lane, one)).http for _ in range(2)] == [500, 204]
            lane = Lane(open_to(target.url(), simulate=stored({"status": 500, "probability": 0})), Store())
            assert (await hub.attempt(lane)).http == 204
            assert len(target.asked) == 2


async def test_an_address_that_may_not_be_called_stays_blocked_while_it_is_simulated() -> None:
    async with Hub() as hub:
        lane = Lane(open_to("http://10.0.0.1/", simulate=stored({"status": 200})), Store())
        assert (await hub.attempt(lane)).reason == Reason.blocked_address


@pytest.mark.parametrize("simulate", [{"latency_ms": 1_000}, {"slow_body": True}])
async def test_what_is_too_late_counts_as_the_timeout(simulate: dict[str, object]) -> None:
    async with Hub() as hub:
        lane = Lane(open_to("http://127.0.0.1:9/", simulate=stored(simulate), timeout_s=1), Store())
        outcome = await hub.attempt(lane)
        assert outcome.reason == Reason.read_timeout
        assert 1_000_000 <= outcome.total_us < 1_500_000
        assert RETRY_AFTER_CAP_S > (outcome.wait_s or 0) > 0
