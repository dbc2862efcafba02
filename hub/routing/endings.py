"""What a deleted subscription leaves behind: its waiting deliveries are dropped and counted in one fact."""

from __future__ import annotations

from typing import Any, Protocol

from hub.eventlog import arrays


class Session(Protocol):
    async def execute(
        self, query: Any, params: Any = None, *, prepare: bool | None = None, binary: bool = False
    ) -> Any: ...


END_DELETED = """
with gone as (select s.id, s.shard from subscriptions_subscription s
              where s.deleted_at is not null and s.shard = any(%(shards)b::int2[])
                and (not exists (select from ended x where x.sub = s.id)
                  or exists (select from parcel p where p.shard = s.shard and p.sub = s.id)
                  or exists (select from due d where d.shard = s.shard and d.sub = s.id))),
 p as (delete from parcel x using gone g where x.shard = g.shard and x.sub = g.id returning x.sub, x.seqs, x.day),
 d as (delete from due x using gone g where x.shard = g.shard and x.sub = g.id returning x.sub, x.seq, x.run),
 w as (select sub, seq from p, unnest(p.seqs) q(seq)
       where not exists (select from attempt a where a.sub = p.sub and a.seq = q.seq and a.run = 0 and a.day = p.day)
       union select sub, seq from d where run = 0
         and not exists (select from attempt a where a.sub = d.sub and a.seq = d.seq and a.run = 0))
insert into ended (sub, shard, waiting)
select g.id, g.shard, (select count(*) from w where w.sub = g.id) from gone g
on conflict (sub) do update set waiting = ended.waiting + excluded.waiting"""


async def end_deleted(session: Session, *, shards: list[int]) -> None:
    """Drop what waits for deleted subscriptions of these shards; it reads as cancelled from now on. The owner's alone."""
    await session.execute(END_DELETED, {"shards": arrays.int2(shards)}, binary=True)
