"""The reactor that keeps the latest event of each subject and type, and the index of declared key paths.

Only for types with a projection. What it writes is the same in whatever order events come, and however often.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from hub.eventlog import arrays
from hub.insights.key_values import values_at
from hub.reactors.reactor import Fact, Session
from hub.routing.hosting import Owner
from hub.subscriptions.patterns import asking_for

# What is larger has no indexed paths.
LARGEST: Final = 65_536

EVENTS: Final = f"""
select r.shard, r.step, e.env, e.consumer, e.type, e.subject, e.seq, e.id, e.day,
       case when e.size <= {LARGEST} then e.data end
from unnest(%(shard)b::int2[], %(after)b::int8[], %(upto)b::int8[]) c(shard, after, upto)
cross join lateral (select * from routed x where x.shard = c.shard and x.step > c.after and x.step <= c.upto order by x.step) r
left join event e on e.shard = r.shard and e.seq > r.prev and e.seq <= r.upto
  and e.day between r.upto_day - 1 and r.upto_day + 1
  and exists (select from insights_projection p where p.environment_id = e.env)"""
# Read after the events: what was declared before any of them is among it.
PROJECTIONS: Final = "select environment_id, pattern, keys from insights_projection where environment_id = any(%(env)b::int4[])"

LATEST: Final = """
insert into entity_latest (env, consumer, type, subject, shard, seq, id, day)
select * from unnest(%(env)b::int4[], %(consumer)b::int4[], %(type)b::text[], %(subject)b::text[], %(shard)b::int2[], %(seq)b::int8[],
                     %(id)b::uuid[], %(day)b::date[])
on conflict (env, consumer, type, subject) do update set shard = excluded.shard, seq = excluded.seq, id = excluded.id, day = excluded.day
where entity_latest.seq < excluded.seq"""
KEYS: Final = """
insert into event_key (day, env, path, value, id)
select * from unnest(%(day)b::date[], %(env)b::int4[], %(path)b::text[], %(value)b::text[], %(id)b::uuid[])
on conflict do nothing"""

_Latest = tuple[int, int, bytes, Any]


class Entities:
    """Routed events of environments that declare projections, by the router's steps."""

    name = "entities"
    most = 16
    clear = "delete from entity_latest where shard = %(shard)s and day >= %(since)s"

    def __init__(self) -> None:
        self._declared: dict[int, dict[str, list[str]]] = {}
        self._latest: dict[tuple[int, int, str, str], _Latest] = {}
        self._keys: dict[tuple[Any, int, str, str, bytes], None] = {}

    def heads(self, owner: Owner) -> Mapping[int, int]:
        return owner.routed_upto()

    async def read(self, session: Session, ranges: Mapping[int, tuple[int, int]]) -> list[Fact]:
        values = {
            "shard": arrays.int2(list(ranges)),
            "after": arrays.int8([after for after, _ in ranges.values()]),
            "upto": arrays.int8([upto for _, upto in ranges.values()]),
        }
        facts = await (await session.execute(EVENTS, values, prepare=True, binary=True)).fetchall()
        envs = sorted({fact[2] for fact in facts if fact[2] is not None})
        self._declared = {}
        if envs:
            found = await session.execute(PROJECTIONS, {"env": arrays.int4(envs)}, prepare=True, binary=True)
            for env, pattern, keys in await found.fetchall():
                self._declared.setdefault(env, {})[pattern] = keys
        return list(facts)

    def fold(self, fact: Fact) -> None:
        shard, _, env, consumer, type, subject, seq, id, day, data = fact
        declared = {} if env is None else self._declared.get(env, {})
        patterns = [pattern for pattern in asking_for(type) if pattern in declared] if declared else []
        if not patterns:
            return
        if data is not None and (paths := {path for pattern in patterns for path in declared[pattern]}):
            found = values_at(paths, data)
            self._keys |= {(day, env, path, value, id.bytes): None for path, value in found}
        if subject is not None:
            key = (env, consumer or 0, type, subject)
            known = self._latest.get(key)
            if known is None or known[1] < seq:
                self._latest[key] = (shard, seq, id.bytes, day)

    async def write(self, session: Session) -> None:
        if self._latest:
            # In one order, so that two who write the same subjects never wait for each other in a circle.
            rows = sorted(self._latest.items())
            await session.execute(LATEST, {
                "env": arrays.int4([key[0] for key, _ in rows]),
                "consumer": arrays.int4([key[1] for key, _ in rows]),
                "type": arrays.text([key[2] for key, _ in rows]),
                "subject": arrays.text([key[3] for key, _ in rows]),
                "shard": arrays.int2([last[0] for _, last in rows]),
                "seq": arrays.int8([last[1] for _, last in rows]),
                "id": arrays.uuid([last[2] for _, last in rows]),
                "day": arrays.dates([last[3] for _, last in rows]),
            }, prepare=True)  # fmt: skip
        if self._keys:
            keys = sorted(self._keys)
            await session.execute(KEYS, {
                "day": arrays.dates([key[0] for key in keys]),
                "env": arrays.int4([key[1] for key in keys]),
                "path": arrays.text([key[2] for key in keys]),
                "value": arrays.text([key[3] for key in keys]),
                "id": arrays.uuid([key[4] for key in keys]),
            }, prepare=True)  # fmt: skip

    def settle(self) -> None:
        self._latest, self._keys = {}, {}

    def forget(self) -> None:
        self.settle()
