"""One attempt: check, sign, send, and decide what follows. It touches the lane's judgement but none of its queues.

It never sends while the session that records has not answered for a second (see the fence).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Protocol

from hub.core.http.sender import Sender
from hub.core.http.tokens import NoToken, Tokens
from hub.delivery import request as wire
from hub.delivery import retry
from hub.delivery.detours import Detours
from hub.delivery.endpoint import Endpoint
from hub.delivery.items import INLINE_BYTES, Event, Item, Outcome
from hub.delivery.lane import Lane
from hub.delivery.outcome import Reason, asked_wait, classify
from hub.delivery.states import WORDS, State
from hub.delivery.tally import Tally

FAILING_DAYS = 5
DAY_S = 86_400.0
MOST_FLYING_BYTES = 128 * 1024 * 1024
_END = {state: word.end for state, word in WORDS.items()}
_DELIVERED = WORDS[State.delivered].end


class Fence(Protocol):
    """What a sender asks before it sends, and the clock it trusts (seconds since 1970, the database's)."""

    def fresh(self) -> bool: ...
    async def refresh(self) -> None: ...
    def now(self) -> float: ...


class Sending:
    """`load(event)` fetches a large body (LookupError: it is gone). `disable` collects subscriptions to be disabled."""

    def __init__(
        self, *, fence: Fence, sender: Sender, tokens: Tokens, detours: Detours, tally: Tally,
        load: Callable[[Event], Awaitable[None]], capture_bytes: int, allow_http: bool,
    ) -> None:  # fmt: skip
        self.disable: dict[int, str] = {}
        self._fence, self._sender, self._tokens, self._tally, self._load = fence, sender, tokens, tally, load
        self._detours = detours
        self._capture_bytes, self._allow_http = capture_bytes, allow_http
        self._loop = asyncio.get_running_loop()
        self._flying = 0
        self._landed = asyncio.Condition()

    async def attempt(self, lane: Lane, item: Item) -> Outcome:
        """What became of it; a large body is loaded for its send, and only so many at a time."""
        endpoint, token = lane.endpoint, b""
        if endpoint.needs_token:
            began = self._loop.time()
            try:
                # Before anything that lanes share: who waits for a token holds up nobody else.
                token = await self._token(item, endpoint)
            except NoToken as failure:
                return self._tokenless(lane, item, endpoint, failure, self._loop.time() - began)
        size = item.event.size
        if size <= INLINE_BYTES:
            return await self._attempt(lane, item, endpoint, token)
        async with self._landed:
            await self._landed.wait_for(lambda: self._flying + size <= MOST_FLYING_BYTES)
            self._flying += size
        try:
            return await self._attempt(lane, item, endpoint, token)
        finally:
            self._flying -= size
            async with self._landed:
                self._landed.notify_all()

    async def _attempt(self, lane: Lane, item: Item, endpoint: Endpoint, token: bytes) -> Outcome:
        event = item.event
        now = self._fence.now()
        if item.run == 0 and now > event.created + endpoint.max_age_s:
            return self._unsent(lane, item, Reason.expired, State.expired, now)
        target = endpoint.prepare(self._sender, allow_http=self._allow_http)
        if target is None:
            return self._unsent(lane, item, Reason.blocked_address, State.dead, now, detail=endpoint.refusal)
        if event.data is None:
            try:
                await self._load(event)
            except LookupError:
                return self._unsent(lane, item, Reason.expunged, State.expunged, now)
        body = event.body()
        headers = wire.headers(
            item=item, suffix=endpoint.suffix, signer=endpoint.signer(now), timestamp=int(now), body=body
        )
        if not self._fence.fresh():
            await self._fence.refresh()
        capture = self._capture_bytes if endpoint.captures != "none" else 0
        extra = headers + token if token else headers
        if endpoint.detour:
            reply = await self._detours.send(
                endpoint, target, extra, body, made=item.attempts, capture=capture, random=random.random(), now=now
            )  # fmt: skip
        else:
            reply = await self._sender.send(
                target, extra, body, timeout_s=endpoint.timeout_s, capture=capture
            )
        item.attempts += 1
        reason = classify(status=reply.status, error=reply.error)
        ok = reason is Reason.delivered
        outcome = Outcome(endpoint.id, item, now, endpoint.version, reason, _DELIVERED)
        wire.fill(outcome, reply=reply, request=headers, body=body, captures=endpoint.captures, ok=ok)
        if item.attempts == 1:
            self._tally.first(now - event.created)
        self._tally.attempt(reason, reply.total_us)
        if item.manual:
            item.manuals += 1
        if not ok:
            if token and reason is Reason.http_401:
                endpoint.token_source(self._tokens).refused(token)
            self._failed(lane, item, outcome, reason, reply.headers)
        lane.judge(item, ok=ok, counts=reason.counts, now=self._loop.time(), random=random.random())
        event.drop_body()
        return outcome

    async def _token(self, item: Item, endpoint: Endpoint) -> bytes:
        """The header line with the token; b"" for what is not sent anyway. Raises NoToken."""
        is_over = item.run == 0 and self._fence.now() > item.event.created + endpoint.max_age_s
        if is_over or endpoint.prepare(self._sender, allow_http=self._allow_http) is None:
            return b""
        source = endpoint.token_source(self._tokens)
        return source.held() or await source.fetched()

    def _tokenless(
        self, lane: Lane, item: Item, endpoint: Endpoint, failure: NoToken, seconds: float
    ) -> Outcome:
        """An attempt that failed before the endpoint was reached; the lane waits as long as the token server is spared."""
        item.attempts += 1
        item.manuals += item.manual
        at, reason = self._fence.now() - seconds, Reason.token_failed
        outcome = Outcome(endpoint.id, item, at, endpoint.version, reason, _DELIVERED)
        outcome.detail, outcome.total_us = str(failure)[:500], int(seconds * 1e6)
        self._tally.attempt(reason, outcome.total_us)
        self._failed(lane, item, outcome, reason, [])
        now = self._loop.time()
        if lane.endpoint.credentials == endpoint.credentials:
            lane.hold_for_token(now + failure.wait_s)
        lane.judge(item, ok=False, counts=reason.counts, now=now, random=random.random())
        return outcome

    def _failed(
        self, lane: Lane, item: Item, outcome: Outcome, reason: Reason, headers: list[tuple[bytes, bytes]]
    ) -> None:
        endpoint = lane.endpoint
        now = datetime.fromtimestamp(outcome.at + outcome.total_us / 1e6, UTC)
        value = next((value for name, value in headers if name.lower() == b"retry-after"), None)
        asked = asked_wait(status=outcome.http, retry_after=value, now=now)
        if asked and reason is Reason.http_429:
            lane.bucket.hold_until(self._loop.time() + min(asked, retry.RETRY_AFTER_CAP_S))
        if item.manual and item.planned is not None:
            # A retry by hand that failed leaves the automatic schedule as it was.
            outcome.wait_s, outcome.finish = max(0.0, item.planned - self._loop.time()), 0
        else:
            born = now if item.run else datetime.fromtimestamp(item.event.created, UTC)
            decision = retry.decide(
                policy=endpoint.policy, attempt=max(item.attempts - item.manuals, 1), reason=reason, retry_after_s=asked,
                now=now, expires_at=endpoint.policy.expires_at(born), random=random.random(),
            )  # fmt: skip
            if isinstance(decision, retry.RetryAt):
                outcome.wait_s, outcome.finish = (decision.at - now).total_seconds(), 0
            else:
                outcome.finish = _END[decision.state]
        if reason.disables:
            self.disable[endpoint.id] = "The endpoint answered 410 Gone."
        elif lane.failing_since is not None and self._loop.time() - lane.failing_since > FAILING_DAYS * DAY_S:
            self.disable[endpoint.id] = f"Every attempt of the last {FAILING_DAYS} days failed."

    def _unsent(
        self, lane: Lane, item: Item, reason: Reason, state: State, now: float, *, detail: str | None = None
    ) -> Outcome:
        outcome = Outcome(lane.endpoint.id, item, now, lane.endpoint.version, reason, _END[state])
        outcome.detail = detail
        self._tally.attempt(reason, 0)
        lane.judge(item, ok=False, counts=False, now=self._loop.time(), random=0.5)
        return outcome
