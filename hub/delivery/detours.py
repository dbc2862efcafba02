"""Attempts that do not leave the hub: those that the simulator answers, and those to a sink of the environment.

It gives the reply the endpoint would have given and decides nothing else; whoever asked goes on as after any send.
"""

from __future__ import annotations

import asyncio
from time import perf_counter_ns
from typing import Final

from hub.core.http.reply import READ_TIMEOUT, Reply
from hub.core.http.sender import Sender
from hub.core.http.target import Target
from hub.delivery import simulation
from hub.delivery.endpoint import Endpoint
from hub.delivery.simulation import Pretence
from hub.sinks import addresses, catching
from hub.sinks.catching import Answer, Request
from hub.sinks.session import SinkSession

CAUGHT: Final = "caught by the hub's own sink; no network was used"


class Detours:
    """One for an engine. `random` is in [0, 1), `now` seconds since 1970."""

    def __init__(self, sender: Sender, sinks: SinkSession) -> None:
        self._sender, self._sinks = sender, sinks

    async def send(
        self, endpoint: Endpoint, target: Target, headers: bytes, body: bytes, *, made: int, capture: int,
        random: float, now: float,
    ) -> Reply:  # fmt: skip
        """The reply of the simulator or the sink; of the endpoint itself where neither has a part in it."""
        began = perf_counter_ns()
        if endpoint.simulate is not None:
            pretence = simulation.decide(
                endpoint.simulate, made=made, timeout_s=endpoint.timeout_s, random=random
            )
            if pretence is not None:
                await asyncio.sleep(pretence.wait_s)
                return _pretended(pretence, _since(began))
        if not endpoint.to_sink:
            return await self._sender.send(
                target, headers, body, timeout_s=endpoint.timeout_s, capture=capture
            )
        request = Request(
            addresses.token_of(endpoint.url), "delivery", target.method, "", _lines(target.head + headers), body,
            endpoint.hidden,
        )  # fmt: skip
        signature = catching.judge(request, endpoint.secrets(now), now=now)
        answer = await self._sinks.catch(request, environment=endpoint.env, signature=signature)
        spent_s = _since(began) / 1e6
        late = max(answer.latency_s, spent_s) >= endpoint.timeout_s
        left = min(answer.latency_s, endpoint.timeout_s) - spent_s
        if left > 0:
            await asyncio.sleep(left)
        return _answered(answer, _since(began), late=late, capture=capture)


def _pretended(pretence: Pretence, total_us: int) -> Reply:
    asked = pretence.retry_after_s
    return Reply(
        status=pretence.status, error=pretence.error, detail=pretence.detail, total_us=total_us,
        headers=[] if asked is None else [(b"retry-after", b"%d" % asked)],
        first_byte_us=min(int(pretence.first_s * 1e6), total_us) if pretence.status else 0,
    )  # fmt: skip


def _answered(answer: Answer, total_us: int, *, late: bool, capture: int) -> Reply:
    if late:
        return Reply(
            error=READ_TIMEOUT, detail=f"{CAUGHT}; it answers too late", total_us=total_us, sent=True
        )
    return Reply(
        status=answer.status, detail=CAUGHT, total_us=total_us, first_byte_us=total_us, sent=True,
        headers=[(name.encode("ascii"), value.encode("ascii")) for name, value in answer.headers],
        body=answer.body[:capture], body_size=len(answer.body), truncated=len(answer.body) > capture,
    )  # fmt: skip


def _since(began: int) -> int:
    return (perf_counter_ns() - began) // 1000


def _lines(head: bytes) -> list[tuple[str, str]]:
    """Header fields of a request's head, whose first line is the request line."""
    fields = (line.partition(b": ") for line in head.split(b"\r\n")[1:] if line)
    return [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, _, value in fields]
