"""The scenes of the demo, played over HTTP as a partner would. It asserts what it tells: a scene that does not happen fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from hub.ops.receiver import Behaviour, Receiver
from hub.ops.receiver.behaviour import Act


class DidNotHappen(Exception):
    """A scene did not come true in time."""


@dataclass
class Stage:
    """The hub's API, the receiver, and how to speak."""

    api: httpx.AsyncClient
    receiver: Receiver
    say: Callable[[str], None]
    subscriptions: dict[str, str] = field(default_factory=dict)

    async def subscribe(self, path: str, **more: Any) -> None:
        answer = await self.api.post(
            "/subscriptions", json={"url": self.receiver.url(path), "patterns": ["order.*"], **more}
        )
        answer.raise_for_status()
        made = answer.json()
        self.subscriptions[path] = made["id"]
        self.receiver.trust(made["secret"], path=path)

    async def post(self, count: int) -> None:
        events = [{"type": "order.created", "data": {"order": n, "total": 19.99}} for n in range(count)]
        (await self.api.post("/events/batch", json={"events": events})).raise_for_status()

    async def until(self, true: Callable[[], Awaitable[Any]], what: str, seconds: float = 40) -> Any:
        deadline = time.monotonic() + seconds
        while not (found := await true()):
            if time.monotonic() > deadline:
                raise DidNotHappen(f"{what} did not happen within {seconds:.0f} s")
            await asyncio.sleep(0.05)
        return found

    async def came(self, path: str, count: int) -> None:
        async def enough() -> bool:
            return len(self.receiver.requests(path)) >= count

        await self.until(enough, f"{count} requests at {path}")

    async def deliveries(self, path: str, status: str) -> list[dict[str, Any]]:
        answer = await self.api.get(
            "/deliveries", params={"subscription": self.subscriptions[path], "status": status}
        )
        answer.raise_for_status()
        return list(answer.json()["data"])


async def healthy(stage: Stage) -> None:
    await stage.subscribe("/healthy")
    begun = time.monotonic()
    await stage.post(1)
    await stage.came("/healthy", 1)
    got = stage.receiver.requests("/healthy")[0]
    if not got.verified:
        raise DidNotHappen(f"the signature did not verify: {got.problem}")
    stage.say(
        f"A healthy endpoint: delivered {1000 * (time.monotonic() - begun):.0f} ms after the event was posted, signature verified."
    )


async def retried(stage: Stage) -> None:
    stage.receiver.behave(Behaviour.failing(503, first=2), path="/flaky")
    await stage.subscribe("/flaky", retry_schedule=[1, 1, 1])
    await stage.post(1)
    await stage.came("/flaky", 3)
    ids = {request.webhook_id for request in stage.receiver.requests("/flaky")}
    stage.say(
        f"A flaky one: 503, 503, 200. Three attempts, one webhook-id ({next(iter(ids))}), so a repeat can be dropped."
    )


async def limited(stage: Stage) -> None:
    stage.receiver.behave(Behaviour.rate_limiting(2, first=1), path="/limited")
    await stage.subscribe("/limited", parallelism=1, retry_schedule=[1, 1])
    begun = time.monotonic()
    await stage.post(5)
    await stage.came("/limited", 6)
    stage.say(
        f"A rate-limited one: 429 with Retry-After: 2 held the whole subscription; all five arrived {time.monotonic() - begun:.1f} s later, none burnt a retry for it."
    )


async def slow(stage: Stage) -> None:
    stage.receiver.behave(Behaviour(act=Act.hang), path="/hanging")
    await stage.subscribe("/hanging", timeout_s=2, retry_schedule=[3600])
    before = len(stage.receiver.requests("/healthy"))
    begun = time.monotonic()
    await stage.post(20)
    await stage.came("/healthy", before + 20)
    stage.say(
        f"A hanging one beside the healthy one: 20 events reached the healthy endpoint in {1000 * (time.monotonic() - begun):.0f} ms all the same."
    )


async def broken(stage: Stage) -> None:
    stage.receiver.behave(Behaviour.failing(500, first=5), path="/broken")
    await stage.subscribe("/broken", parallelism=1, retry_schedule=[3600])
    await stage.post(30)
    await stage.came("/broken", 5)
    await asyncio.sleep(0.3)
    stage.say(
        f"A broken one: after {len(stage.receiver.requests('/broken'))} failures in a row its breaker is open; 25 deliveries wait and burn nothing."
    )
    await stage.came("/broken", 30)
    stage.say(
        "It recovered: one probe went through, then 1, 2, 4, 8 … at a time, and all that waited is delivered."
    )


async def dead_letters(stage: Stage) -> None:
    stage.receiver.behave(Behaviour.failing(404), path="/gone")
    await stage.subscribe("/gone", retry_schedule=[1])
    await stage.post(3)

    async def dead() -> list[dict[str, Any]] | None:
        found = await stage.deliveries("/gone", "dead")
        return found if len(found) >= 3 else None

    found = await stage.until(dead, "three dead letters")
    reason = found[0]["reason"]
    stage.say(f"A wrong URL: {len(found)} dead letters. {reason['sentence']} {reason['next_step']}")
    stage.receiver.behave(Behaviour(), path="/gone")
    for delivery in found:
        (await stage.api.post(f"/deliveries/{delivery['id']}/requeue", json={})).raise_for_status()
    await stage.came("/gone", 9)
    stage.say(
        "Mended and requeued: all three are delivered, each in a run of its own under the same webhook-id."
    )


SCENES: tuple[Callable[[Stage], Awaitable[None]], ...] = (
    healthy,
    retried,
    limited,
    slow,
    broken,
    dead_letters,
)


async def play(*, url: str, key: str, say: Callable[[str], None]) -> None:
    """All scenes, one after the other. Raises DidNotHappen, httpx.HTTPError."""
    receiver = Receiver()
    await receiver.start()
    try:
        async with httpx.AsyncClient(
            base_url=f"{url}/api/v1", headers={"Authorization": f"Bearer {key}"}, timeout=30
        ) as api:
            stage = Stage(api, receiver, say)
            for scene in SCENES:
                await scene(stage)
            for uid in stage.subscriptions.values():
                await api.delete(f"/subscriptions/{uid}")
    finally:
        await receiver.stop()
