"""Rate limits of keys and consumers across processes: each grants from a bucket of its own and tells the others by Valkey.

It fails open: without Valkey each process grants the whole rate by itself. It never waits for the network.
"""

from __future__ import annotations

import asyncio
import logging
import time

import redis.asyncio as redis
from redis.exceptions import RedisError

from hub.tenants.limits import Bucket

logger = logging.getLogger(__name__)


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
            used = {name: bucket for name, bucket in list(buckets.items()) if bucket.granted}
            if not used:
                continue
            try:
                async with client.pipeline(transaction=False) as pipe:
                    for name, bucket in used.items():
                        own[name] = own.get(name, 0) + bucket.granted
                        pipe.incrby(f"hub:rate:{name}:{second}", bucket.granted)
                        pipe.expire(f"hub:rate:{name}:{second}", 5)
                        bucket.granted = 0
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
                bucket.tokens -= max(elsewhere - seen.get(name, 0), 0)
                seen[name] = elsewhere
    finally:
        await client.aclose()
