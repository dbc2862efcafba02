"""Who owns which of the 64 shards: session advisory locks, seen by all engines, shared out evenly. It holds no lock itself."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any, Protocol

from hub.eventlog import arrays

SHARDS = 64
SHARD_LOCK = 8
ENGINE_LOCK = 10


class Session(Protocol):
    async def execute(
        self, query: Any, params: Any = None, *, prepare: bool | None = None, binary: bool = False
    ) -> Any: ...


SURVEY = """
select count(distinct objid) filter (where classid = %(engine)s),
       array_agg(objid::int4) filter (where classid = %(shard)s)
from pg_locks where locktype = 'advisory' and granted and objsubid = 2 and classid in (%(engine)s, %(shard)s)
  and database = (select oid from pg_database where datname = current_database())"""
PRESENT = "select pg_try_advisory_lock(%s, %s)"
CLAIM = f"select s from unnest(%(shards)b::int4[]) s where pg_try_advisory_lock({SHARD_LOCK}, s)"
RELEASE = f"select pg_advisory_unlock({SHARD_LOCK}, s) from unnest(%(shards)b::int4[]) s"


@dataclass(frozen=True, slots=True)
class Plan:
    """What an engine does next: claim some of these (at most `claim_most`), or give these up."""

    claim: list[int]
    claim_most: int
    release: list[int]


# Neighbouring shards fill first, so engines share them every second, every fourth … one: bits read backwards.
SPREAD = sorted(range(SHARDS), key=lambda shard: int(f"{shard:06b}"[::-1], 2))


def plan(*, engines: int, owned: set[int], taken: set[int]) -> Plan:
    """Each engine holds at most ceil(64 / engines). Pure. `taken`: by anybody, this engine included."""
    quota = ceil(SHARDS / max(engines, 1))
    if len(owned) > quota:
        return Plan([], 0, [shard for shard in SPREAD if shard in owned][quota:])
    free = [shard for shard in SPREAD if shard not in taken]
    return Plan(free, quota - len(owned), [])


async def survey(session: Session) -> tuple[int, set[int]]:
    """(engines present, shards owned by any)."""
    cursor = await session.execute(SURVEY, {"engine": ENGINE_LOCK, "shard": SHARD_LOCK}, prepare=True)
    engines, shards = await cursor.fetchone()
    return engines, set(shards or ())


async def claim(session: Session, shards: list[int]) -> list[int]:
    """Those of the shards that nobody else has taken first."""
    cursor = await session.execute(CLAIM, {"shards": arrays.int4(shards)}, prepare=True, binary=True)
    return [row[0] for row in await cursor.fetchall()]


async def release(session: Session, shards: list[int]) -> None:
    await session.execute(RELEASE, {"shards": arrays.int4(shards)}, prepare=True, binary=True)
