"""Whose key is this, and where do its events lie? Looked up once, dropped whenever any key changes.

The append compares the generation of keys in its own snapshot, so a revoked key is refused even if this still knows it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import psycopg

from hub.eventlog.connect import open_session
from hub.tenants.limits import DEFAULT_RATE, Bucket

KEY = """
select k.id, k.environment_id, e.shard, k.consumer_id, c.shard, k.scopes, extract(epoch from k.expires_at)::float8,
       coalesce(k.rate_limit, %(rate)s), k.uid
from tenants_apikey k join tenants_environment e on e.id = k.environment_id
join tenants_tenant t on t.id = e.tenant_id and not t.suspended
left join tenants_consumer c on c.id = k.consumer_id
where k.hash = %(hash)s and k.revoked_at is null and (c.id is null or c.deleted_at is null)"""
CONSUMER = """
select id, shard, (limits->>'events_per_second')::float8 from tenants_consumer
where environment_id = %(env)s and (uid = %(uid)s or public_id = %(uid)s) and deleted_at is null"""
GENERATION = "select value from tenants_generation where name = 'keys'"
USED = """update tenants_apikey k set last_used_at = to_timestamp(u.at) from unnest(%s::int4[], %s::float8[]) u(id, at)
where k.id = u.id"""


@dataclass(slots=True, eq=False)
class Key:
    """One API key as the hot path needs it; compared by identity, so a reloaded key is another one."""

    id: int
    uid: str
    hash: bytes
    env: int
    shard: int
    consumer: int | None
    may_write: bool
    expires_at: float | None
    bucket: Bucket
    policy: tuple[bytes, bytes]
    used_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Consumer:
    id: int
    shard: int
    bucket: Bucket | None


class Directory:
    """Keys and consumers by what a request carries. One reading session, opened when needed."""

    def __init__(self) -> None:
        self.generation = -1
        self._keys: dict[bytes, Key] = {}
        self._consumers: dict[tuple[int, str], Consumer] = {}
        self._session: psycopg.AsyncConnection[Any] | None = None
        self._lock = asyncio.Lock()
        self._buckets: dict[str, Bucket] = {}

    def known(self, token: bytes) -> Key | None:
        return self._keys.get(token)

    def buckets(self) -> dict[str, Bucket]:
        return self._buckets

    async def _query(self, sql: str, values: Any) -> list[tuple[Any, ...]]:
        async with self._lock:
            try:
                if self._session is None:
                    self._session = await open_session(name="directory", statement_timeout="5s")
                cursor = await self._session.execute(sql, values, prepare=True)
                return await cursor.fetchall() if cursor.description else []
            except psycopg.OperationalError:
                session, self._session = self._session, None
                if session is not None:
                    with contextlib.suppress(psycopg.Error):
                        await session.close()
                raise

    async def key(self, token: bytes) -> Key | None:
        """The live key whose text this is, or None. Raises psycopg.OperationalError when it can't be looked up."""
        before = self.generation
        digest = sha256(token).digest()
        rows = await self._query(KEY, {"hash": digest, "rate": DEFAULT_RATE})
        if not rows:
            return None
        id, env, env_shard, consumer, consumer_shard, scopes, expires_at, rate, uid = rows[0]
        bucket = self._bucket(f"key:{id}", float(rate))
        shard = env_shard if consumer is None else consumer_shard
        policy = (b"ratelimit-policy", bucket.policy.encode())
        key = Key(id, uid, digest, env, shard, consumer, "events:write" in scopes, expires_at, bucket, policy)
        if before == self.generation and len(self._keys) < 100_000:
            self._keys[token] = key
        return key

    def _bucket(self, name: str, rate: float) -> Bucket:
        bucket = self._buckets.get(name)
        if bucket is None or bucket.rate != rate:
            bucket = self._buckets[name] = Bucket(
                rate=rate, now=time.monotonic(), name=name.partition(":")[0]
            )
        return bucket

    async def consumer(self, *, env: int, uid: str) -> Consumer | None:
        """A consumer of the environment by its uid or con_ id; unknown ones are asked for every time."""
        known = self._consumers.get((env, uid))
        if known is None:
            before = self.generation
            rows = await self._query(CONSUMER, {"env": env, "uid": uid})
            if not rows:
                return None
            id, shard, rate = rows[0]
            known = Consumer(id, shard, self._bucket(f"consumer:{id}", rate) if rate else None)
            if before == self.generation and len(self._consumers) < 200_000:
                self._consumers[env, uid] = known
        return known

    async def recheck(self, generation: int, keys: set[Key]) -> set[Key]:
        """Forget everything, and say which of these keys still are what they were."""
        self.generation = generation
        self._keys.clear()
        self._consumers.clear()
        good = set()
        now = time.time()
        for key in keys:
            rows = await self._query(KEY, {"hash": key.hash, "rate": DEFAULT_RATE})
            same = (
                rows and (rows[0][1], rows[0][3]) == (key.env, key.consumer) and "events:write" in rows[0][5]
            )
            if same and (rows[0][6] is None or rows[0][6] > now):
                good.add(key)
        return good

    async def note_use(self) -> None:
        """Write down when keys were last used, one statement for all."""
        used = [(key.id, key.used_at) for key in self._keys.values() if key.used_at]
        if used:
            await self._query(USED, ([id for id, _ in used], [at for _, at in used]))
            for key in self._keys.values():
                key.used_at = 0.0

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
