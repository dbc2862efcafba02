"""Rate limits of keys and consumers: a local token bucket, reconciled with the other processes through Valkey.

It fails open: without Valkey each process grants the whole rate by itself. It never waits for the network.
"""

from __future__ import annotations

import asyncio
import logging
import time
from math import ceil

import redis.asyncio as redis
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)


class Bucket:
    """`rate` events a second, bursts of one second. Headers follow draft-ietf-httpapi-ratelimit-headers."""

    __slots__ = ("at", "header", "level", "policy", "rate", "unreported")

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.level = max(rate, 1.0)
        self.at = time.monotonic()
        self.unreported = 0
        self.policy = (b"ratelimit-policy", b'"default";q=%d;w=1' % max(int(rate), 1))

    def take(self, count: int, now: float) -> float:
        """0 when granted, else seconds until `count` would be. A batch above the rate is let in when the bucket is full."""
        full = max(self.rate, 1.0)
        level = self.level = min(full, self.level + (now - self.at) * self.rate)
        self.at = now
        if level >= count or level >= full:
            self.level = level - count
            self.unreported += count
            return 0.0
        return (min(count, full) - level) / self.rate

    def remaining(self) -> tuple[bytes, bytes]:
        return (b"ratelimit", b'"default";r=%d;t=1' % max(int(self.level), 0))


async def reconcile_forever(url: str, buckets: dict[str, Bucket], *, every_s: float = 0.25) -> None:
    """Tell Valkey what was granted here and take away what was granted elsewhere."""
    client = redis.from_url(url, socket_timeout=1, socket_connect_timeout=1)  # type: ignore[no-untyped-call]
    own: dict[str, int] = {}
    seen: dict[str, int] = {}
    second, failing = 0, False
    try:
        while True:
            await asyncio.sleep(every_s)
            now = int(time.time())
            if now != second:
                second, own, seen = now, {}, {}
            used = {name: bucket for name, bucket in list(buckets.items()) if bucket.unreported}
            if not used:
                continue
            try:
                async with client.pipeline(transaction=False) as pipe:
                    for name, bucket in used.items():
                        own[name] = own.get(name, 0) + bucket.unreported
                        pipe.incrby(f"hub:rate:{name}:{second}", bucket.unreported)
                        pipe.expire(f"hub:rate:{name}:{second}", 5)
                        bucket.unreported = 0
                    totals = (await pipe.execute())[::2]
            except (RedisError, OSError) as error:
                if not failing:
                    logger.warning("rate limits are local to each process: %s", error)
                failing = True
                await asyncio.sleep(1)
                continue
            failing = False
            for (name, bucket), total in zip(used.items(), totals, strict=True):
                elsewhere = total - own[name]
                bucket.level -= max(elsewhere - seen.get(name, 0), 0)
                seen[name] = elsewhere
    finally:
        await client.aclose()


def wait_header(seconds: float) -> str:
    """Retry-After: whole seconds, at least one."""
    return str(max(1, ceil(seconds)))
