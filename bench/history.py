"""Old rows for the growth row: past events, attempts, routing facts and subscriptions, put straight into the tables.

Their numbers lie below all that is live, so that no router reads them and no owner writes one twice.
"""

from __future__ import annotations

from bench.hub import Hub, Player

# Reserved before anything is accepted; the history's sequence numbers are below.
FIRST_LIVE = 3_000_000
CHUNK = 50_000

RESERVE = "select setval('event_seq', %s)"
# Half of it yesterday's, half today's; bodies like the live ones, that don't compress.
EVENTS = """
insert into event (day, shard, seq, id, env, size, created_at, type, data)
select d, p.shard, n, (lpad(to_hex((extract(epoch from t) * 1000)::bigint), 12, '0') || '7' || substr(md5(n::text), 14, 3)
         || '8' || substr(md5(n::text), 18, 15))::uuid,
       p.env, length(b), t, 'bench.old', b
from generate_series(%(low)s::int, %(high)s::int) n
join unnest(%(env)s::int4[], %(shard)s::int2[]) with ordinality p(env, shard, i) on p.i = n %% cardinality(%(env)s::int4[]) + 1
cross join lateral (select case when n %% 2 = 0 then current_date else current_date - 1 end d) x
cross join lateral (select d::timestamptz + n * interval '10 ms' t) y
cross join lateral (select convert_to('{"t":1700000000000000000,"pad":"' || (select string_agg(md5(n::text || k), '')
                            from generate_series(1, 29) k) || '"}', 'UTF8') b) z"""
ATTEMPTS = """
insert into attempt (day, shard, pos, env, sub, seq, run, src, event_id, n, at, version, http, reason, finish, connect_us,
                     first_us, total_us, size, digest, answer)
select e.day, e.shard, -e.seq, e.env, s.sub, e.seq, 0, e.shard, e.id, 1, e.created_at + interval '5 ms', 1, 200, 0, 1, null,
       900, 1000, 100, decode(substr(md5(e.seq::text), 1, 16), 'hex'), convert_to(repeat('.', 100), 'UTF8')
from event e join unnest(%(env)s::int4[], %(sub)s::int4[]) s(env, sub) on s.env = e.env
where e.seq between %(low)s and %(high)s"""
ROUTED = """
insert into routed (day, shard, step, prev, upto, upto_day, generation, events, pairs, unmatched, at)
select current_date, p.shard, -n, n * 10, n * 10 + 10, current_date, 1, 10, 10, '{}', now()
from generate_series(1, %(steps)s::int) n cross join unnest(%(shard)s::int2[]) p(shard)"""
SUBSCRIPTIONS = """
with made as (
  insert into subscriptions_subscription (uid, environment_id, shard, name, url, patterns, channels, header_names, metadata,
                                          generation)
  select 'sub_bench' || lpad(n::text, 17, '0'), p.env, p.shard, 'customer ' || n, 'https://hooks-' || n || '.example.com/in',
         array['customer.' || n || '.created', 'customer.' || n || '.*'], '{}', '{}', '{}', 0
  from generate_series(1, %(count)s::int) n
  join unnest(%(env)s::int4[], %(shard)s::int2[]) with ordinality p(env, shard, i) on p.i = n %% cardinality(%(env)s::int4[]) + 1
  returning id)
insert into subscriptions_secret (subscription_id, kind, sealed)
select made.id, 'hmac', (select sealed from subscriptions_secret order by id limit 1) from made"""
# In force for the running engine, as any change made through the services is.
CHANGED = """
with g as (update tenants_generation set value = value + 1 where name = 'subscriptions' returning value)
update subscriptions_subscription set generation = (select value from g) where generation = 0"""


def reserve(hub: Hub) -> None:
    """Before anything is accepted."""
    hub.sql(RESERVE, FIRST_LIVE)


def grow(
    hub: Hub, players: list[Player], owners: dict[int, int], *, deliveries: int, subscriptions: int
) -> None:
    """Put them in and let the server take stock of them. `owners`: a subscription of each environment,
    whose deliveries they were."""
    if deliveries >= FIRST_LIVE:
        raise ValueError(f"history must stay below {FIRST_LIVE} events")
    envs, shards = [p.env for p in players], [p.shard for p in players]
    for low in range(1, deliveries + 1, CHUNK):
        values = {"env": envs, "shard": shards, "low": low, "high": min(low + CHUNK - 1, deliveries)}
        hub.run(EVENTS, values)
        hub.run(ATTEMPTS, values | {"sub": [owners[env] for env in envs]})
    hub.run(ROUTED, {"shard": shards, "steps": deliveries // len(players) // 10})
    hub.run(SUBSCRIPTIONS, {"env": envs, "shard": shards, "count": subscriptions})
    hub.sql("vacuum (analyze) event, attempt, routed, subscriptions_subscription, subscriptions_secret")
    hub.sql("checkpoint")
    hub.run(CHANGED, {})
