"""A lively past for searching: one environment with many subscriptions and consumers, and deliveries of every kind over a week.

Put straight into the tables, with numbers below all that is live, so that no router reads them. Nothing in it is ever sent: the
environment is paused. What each delivery came to follows from its number alone, so that every run has the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

from bench.hub import Hub, Player
from bench.processes import BenchFailed, until

FIRST_LIVE = 3_000_000
CHUNK = 25_000
DAYS = 7
OWN, CONSUMERS, EACH = 200, 50, 2
"""Subscriptions of the environment, its consumers, and subscriptions of each."""

DAY = (
    "select hub_make_day(parent, current_date - %s) from unnest(array['event', 'attempt', 'capture']) parent"
)
# A number between 0 and 1 that looks random, made of a text.
CHANCE = """
create or replace function pg_temp.chance(t text) returns float8 language sql immutable parallel safe as
$$ select ('x' || substr(md5(t), 1, 8))::bit(32)::bigint / 4294967296.0 $$"""
# Four of ten are of one type, some of few; every fourth is addressed to a consumer.
EVENTS = """
insert into event (day, shard, seq, id, env, consumer, size, created_at, type, subject, data)
select (t at time zone 'UTC')::date, coalesce(c.shard, %(shard)s), n,
       (lpad(to_hex((extract(epoch from t) * 1000)::bigint), 12, '0') || '7' || substr(md5(n::text), 14, 3)
         || '8' || substr(md5(n::text), 18, 15))::uuid,
       %(env)s, c.id, length(b), t,
       case when n %% 100003 = 7 then 'rare.refund' when k < 0.4 then 'order.created' when k < 0.6 then 'order.paid'
            when k < 0.7 then 'customer.updated' else 'kind' || (k * 10000)::int %% 180 || '.changed' end,
       'order-' || n %% 50000, b
from generate_series(%(low)s::int, %(high)s::int) n
cross join lateral (select pg_temp.chance('k' || n) k) x
cross join lateral (select now() - interval '7 days' + n * (interval '7 days' - interval '1 minute') / %(all)s t) y
left join unnest(%(consumers)s::int4[], %(shards)s::int2[]) with ordinality c(id, shard, i)
  on n %% 4 = 0 and c.i = n / 4 %% cardinality(%(consumers)s::int4[]) + 1
cross join lateral (select convert_to('{"customer":{"id":' || n %% 10000 || ',"plan":"' || (array['free','team','firm'])[n %% 3 + 1]
   || '"},"total":' || (k * 1000)::int || '.50,"note":"' || case when n %% 20011 = 3 then 'needle in a haystack' else 'thanks' end
   || '","pad":"' || (select string_agg(md5(n::text || i), '') from generate_series(1, 20) i) || '"}', 'UTF8') b) z"""
# Each event went to two subscriptions, to some of them far more often than to others.
PAIRS = """
create temp table pair on commit drop as
select e.day, e.shard as src, e.seq, e.id, e.created_at as t, s.id as sub, s.shard, k, f.fate, f.r,
       case when f.fate < 0.96 then 1 when f.fate < 0.98 then 2 when f.fate < 0.99 then 4 when f.fate < 0.995 then 1 + (f.r * 3)::int
            when f.fate < 0.997 then 1 else 0 end as tries
from event e cross join generate_series(0, 1) k
cross join lateral (select pg_temp.chance('f' || e.seq || '-' || k) fate, pg_temp.chance('r' || e.seq || '-' || k) r) f
join unnest(%(subs)s::int4[], %(sub_shards)s::int2[], %(owners)s::int4[], %(ranks)s::int4[]) s(id, shard, owner, rank)
  on s.owner = case when k = 0 then coalesce(e.consumer, 0) else 0 end
  and s.rank = case when k = 0 and e.consumer is not null then e.seq / 4 %% 2 else (k + 2 * (99 * f.r ^ 3)::int) end
where e.env = %(env)s and e.seq between %(low)s and %(high)s"""
# Fates: 94 %% well at once, 2 %% slowly, 2 %% at the second try, 1 %% dead, 0.5 %% retrying, the rest cancelled, expired, or waiting for one of
# some subscriptions.
ATTEMPTS = """
insert into attempt (day, shard, pos, env, sub, seq, run, src, event_id, n, at, version, http, reason, finish, connect_us,
                     first_us, total_us, size, digest, answer)
select p.day, p.shard, -(p.seq * 20 + p.k * 10 + n), %(env)s, p.sub, p.seq, 0, p.src, p.id, n,
       p.t + interval '5 ms' + (n - 1) * interval '7 minutes' + p.r * interval '3 s', 1,
       case when ok then 200 when w < 0.8 then 500 when w < 0.9 then 503 when w < 0.905 then 429 else 0 end,
       case when ok then 0 when w < 0.9 then 20 when w < 0.905 then 18 when w < 0.98 then 9 when w < 0.999 then 2 else 1 end,
       case when ok then 1 when p.fate < 0.99 and n = 4 then 2 else 0 end, null,
       900, case when ok and p.fate >= 0.94 then 300000 + p.r * 2700000 when w >= 0.905 and w < 0.98 and not ok then 15000000
                 else 1000 + p.r * 80000 end,
       100, decode(substr(md5(p.seq::text), 1, 16), 'hex'), convert_to(repeat('.', 100), 'UTF8')
from pair p cross join generate_series(1, p.tries) n
cross join lateral (select pg_temp.chance('w' || p.seq || '-' || p.sub || '-' || n) w,
                           p.fate < 0.96 or (p.fate < 0.98 and n = 2) ok) x"""
ENDS = """
insert into attempt (day, shard, pos, env, sub, seq, run, src, event_id, n, at, version, http, reason, finish, total_us)
select p.day, p.shard, -(p.seq * 20 + p.k * 10 + 9), %(env)s, p.sub, p.seq, 0, p.src, p.id, tries, p.t + interval '1 hour', 1,
       0, case when p.fate < 0.996 then 26 else 25 end, case when p.fate < 0.996 then 3 else 4 end, 0
from pair p where p.fate >= 0.995 and p.fate < 0.997"""
# As failures are kept by default.
CAPTURES = """
insert into capture (day, sub, seq, run, n, request, headers, body, truncated)
select p.day, p.sub, p.seq, 0, 1, convert_to(E'webhook-id: msg\\r\\ntrunkline-attempt: 1\\r\\n', 'UTF8'),
       convert_to(E'Content-Type: text/plain\\r\\nX-Id: h' || p.seq || E'\\r\\n', 'UTF8'), convert_to('no', 'UTF8'), false
from pair p where p.fate >= 0.96 and p.tries > 0"""
DUES = """
insert into due (shard, sub, seq, run, src, day, due_at, attempt)
select shard, sub, seq, 0, src, day, now() + interval '20 hours', tries from pair where fate >= 0.99 and fate < 0.995"""
PARCELS = """
insert into parcel (shard, sub, src, first_seq, day, seqs)
select shard, sub, src, seq, day, array[seq] from pair where fate >= 0.997 and sub %% 16 = 1"""


@dataclass(frozen=True, slots=True)
class Past:
    """What there is to ask for."""

    player: Player
    busy: str
    quiet: str
    consumer: str
    subject: str
    event: str
    delivery: str


def make(hub: Hub, player: Player, *, deliveries: int) -> Past:
    """Of a fresh hub whose event numbers nobody has taken yet. Takes minutes."""
    if deliveries // 2 >= FIRST_LIVE:
        raise ValueError(f"the past must stay below {FIRST_LIVE} events")
    hub.sql("select setval('event_seq', %s)", FIRST_LIVE)
    names = _people(hub, player)
    _pass_the_cursors(hub, player, names)
    consumers = hub.sql(
        "select id, shard from tenants_consumer where environment_id = %s order by id", player.env
    )
    subs = hub.sql(
        "select id, shard, coalesce(consumer_id, 0), uid from subscriptions_subscription where environment_id = %s order by id",
        player.env,
    )
    ranks: dict[int, count[int]] = {}
    values = {
        "env": player.env, "shard": player.shard, "all": deliveries // 2,
        "consumers": [id for id, _ in consumers], "shards": [shard for _, shard in consumers],
        "subs": [sub[0] for sub in subs], "sub_shards": [sub[1] for sub in subs], "owners": [sub[2] for sub in subs],
        "ranks": [next(ranks.setdefault(sub[2], count())) for sub in subs],
    }  # fmt: skip
    for day in range(DAYS + 1):
        hub.sql(DAY, day)
    hub.sql(CHANCE)
    for low in range(1, deliveries // 2 + 1, CHUNK):
        chunk = values | {"low": low, "high": min(low + CHUNK - 1, deliveries // 2)}
        hub.run(EVENTS, chunk)
        hub.sql("begin")
        for statement in (PAIRS, ATTEMPTS, ENDS, CAPTURES, DUES, PARCELS):
            hub.run(statement, chunk)
        hub.sql("commit")
    hub.sql(
        "vacuum (analyze) event, attempt, capture, due, parcel, subscriptions_subscription, tenants_consumer"
    )
    hub.sql("checkpoint")
    own = [sub[3] for sub in subs if not sub[2]]
    return Past(player, own[0], own[-3], names[0], "order-77", *_ids(hub, player))


def _people(hub: Hub, player: Player) -> list[str]:
    """Consumers and subscriptions; their patterns ask for nothing that comes. Uids of the consumers."""
    names = [f"customer-{number}" for number in range(CONSUMERS)]
    endpoint = {"url": "https://hooks.example.com/", "patterns": ["never.sent"]}
    with hub.api(player) as api:
        answers = [api.patch("/environment", json={"paused": True})]
        answers += [api.post("/consumers", json={"uid": uid}) for uid in names]
        answers += [api.post("/subscriptions", json=endpoint) for _ in range(OWN)]
        answers += [
            api.post("/subscriptions", json=endpoint | {"consumer": uid})
            for uid in names
            for _ in range(EACH)
        ]
    if refused := [answer.text for answer in answers if answer.status_code not in (200, 201)]:
        raise BenchFailed(f"the past could not be made: {refused[0][:300]}")
    return names


def _pass_the_cursors(hub: Hub, player: Player, names: list[str]) -> None:
    """An event into each shard that the past lies in, so that routers have passed its numbers."""
    with hub.api(player) as api:
        for more in ({}, *({"consumer": name} for name in names)):
            answer = api.post("/events", json={"type": "bench.live", "data": {}, **more})
            if answer.status_code != 202:
                raise BenchFailed(f"an event was refused: {answer.text[:300]}")
    behind = """select count(*) from event e where e.env = %s and not exists (
                  select from routed r where r.shard = e.shard and r.upto >= e.seq)"""
    until(lambda: not hub.number(behind, player.env), within_s=30, what="the routing of the first events")


def _ids(hub: Hub, player: Player) -> tuple[str, str]:
    """An event and one of its deliveries."""
    with hub.api(player) as api:
        row = api.get("/deliveries", params={"limit": 1, "status": "delivered"}).json()["data"][0]
    return row["event"], row["id"]
