"""Pages of a replay: up to some hundred deliveries of one subscription under one run, which its owner turns into due rows.

A page is applied once, in one statement with its due rows; whoever made it follows it by `applied_at`.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

from hub.eventlog import arrays

AT_ONCE: Final = 8
MOST: Final = 500
"""Deliveries of a page."""


class Session(Protocol):
    async def execute(
        self, query: Any, params: Any = None, *, prepare: bool | None = None, binary: bool = False
    ) -> Any: ...


# A page of a deleted subscription, or of a run that was ended meanwhile, is applied without any effect.
APPLY: Final = """
with page as (
  select p.* from replay_page p where p.shard = any(%(shards)b::int2[]) and p.applied_at is null order by p.id limit %(limit)b),
 made as (
  insert into due (shard, sub, seq, run, src, day, due_at, attempt, via)
  select p.shard, p.sub, q.seq, p.run, p.src, p.day, clock_timestamp(), 0, 1
  from page p join subscriptions_subscription s on s.id = p.sub and s.deleted_at is null
  cross join lateral unnest(p.seqs) q(seq)
  where not p.ended
    and not exists (select from attempt a where a.sub = p.sub and a.seq = q.seq and a.run = p.run and a.day = p.day)
  on conflict on constraint due_once do nothing returning sub, run, src, day)
update replay_page r set applied_at = clock_timestamp(),
  made = (select count(*) from made m where m.sub = r.sub and m.run = r.run and m.src = r.src and m.day = r.day)
from page p where r.id = p.id returning r.sub, r.made"""


async def apply(session: Session, *, shards: list[int]) -> list[tuple[int, int]]:
    """(subscription, deliveries made) of each page that waited for these shards; at most AT_ONCE. The owner's alone."""
    found = await session.execute(
        APPLY, {"shards": arrays.int2(shards), "limit": AT_ONCE}, prepare=True, binary=True
    )
    rows: list[tuple[int, int]] = await found.fetchall()
    return rows
