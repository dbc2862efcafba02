"""The statements of the check. All run in one snapshot; none writes.

Event numbers come from one sequence, so a number names an event whatever its shard. What lies in partitions
that are gone is left out: the check of a shard begins with the first routing step whose events must all be
there still.
"""

OLDEST = """
select min(to_date(right(inhrelid::regclass::text, 8), 'YYYYMMDD'))
from pg_inherits where inhparent = 'event'::regclass"""

STEPS = """
with r as (
  select *, lag(upto_day) over w as last_day from routed where day >= %(since)s::date - 1
  window w as (partition by shard order by step)),
k as (select * from r where day >= %(since)s and (step = 1 or last_day >= %(oldest)s)),
s as (
  select shard, min(step) as first, max(step) as last, (array_agg(prev order by step))[1] as floor, max(upto) as upto,
         sum(events) as events, sum(pairs) as pairs, sum(cardinality(unmatched)) as unmatched
  from k group by shard)
select s.*, o.day, coalesce(u.n, 0) from s
left join lateral (
  select day from event e where e.shard = s.shard and e.seq > s.floor order by e.seq limit 1) o on true
left join lateral (
  select count(*) as n from event e where e.shard = s.shard and e.seq > s.upto) u on true
order by s.shard"""

UNTOUCHED = """
select count(*) from generate_series(0, 63) s join event e on e.shard = s
where not exists (select from routed r where r.shard = s)"""

CHAIN = """
with r as (
  select shard, step, prev, upto, events, lag(step) over w as last_step, lag(upto) over w as last_upto
  from routed where day >= %(since)s window w as (partition by shard order by step))
select count(*) over (), shard, step, prev, upto, events, last_step, last_upto from r
where step <> last_step + 1 or prev <> last_upto or upto < prev or (events = 0) <> (upto = prev)
order by shard, step limit %(show)s"""

_BOUNDS = """
b as (select * from unnest(%(shard)s::int2[], %(floor)s::int8[], %(upto)s::int8[]) x(shard, floor, upto)),
e as materialized (
  select b.shard, x.seq from b cross join lateral (
    select seq from event where event.shard = b.shard and seq > b.floor and seq <= b.upto and day >= %(day)s) x),"""

# A delivery of a parcel that has an attempt as well, or became due, is one delivery: `union` counts it once.
# An event whose only deliveries went with a deleted subscription has none left, and is not lost.
COUNTS = f"""
with {_BOUNDS}
d as materialized (
  select a.src, a.sub, a.seq from attempt a join b on b.shard = a.src
    where a.day >= %(day)s and a.run = 0 and a.seq > b.floor
  union
  select x.src, x.sub, x.seq from due x join b on b.shard = x.src where x.run = 0 and x.seq > b.floor
  union
  select p.src, p.sub, q.seq from parcel p join b on b.shard = p.src cross join unnest(p.seqs) q(seq)
    where p.run = 0 and q.seq > b.floor),
m as materialized (select distinct src, seq from d),
u as materialized (
  select r.shard, q.seq from routed r join b on b.shard = r.shard cross join unnest(r.unmatched) q(seq)
  where r.day >= %(since)s and r.prev >= b.floor),
l as materialized (
  select e.shard, e.seq from e
  where not exists (select from m where m.src = e.shard and m.seq = e.seq)
    and not exists (select from u where u.shard = e.shard and u.seq = e.seq)),
x as materialized (
  select l.shard, l.seq, exists (
    select from ended g join subscriptions_subscription s on s.id = g.sub
    where g.waiting > 0 and g.at >= %(since)s::date and s.environment_id = v.env and v.created_at between s.created_at and g.at) as excused
  from l join event v on v.shard = l.shard and v.seq = l.seq and v.day >= %(day)s)
select 'events', shard, count(*), null::int8[] from e group by shard
union all select 'deliveries', src, count(*), null from d group by src
union all select 'lost', shard, count(*), (array_agg(seq order by seq))[1:%(show)s] from x
  where not excused group by shard
union all select 'excused', shard, count(*), null from x where excused group by shard
union all select 'unrouted', m.src, count(*), (array_agg(m.seq order by m.seq))[1:%(show)s] from m
  where not exists (select from e where e.shard = m.src and e.seq = m.seq) group by m.src
union all select 'denied', u.shard, count(*), (array_agg(u.seq order by u.seq))[1:%(show)s] from u
  where exists (select from m where m.src = u.shard and m.seq = u.seq) group by u.shard
union all select 'invented', u.shard, count(*), (array_agg(u.seq order by u.seq))[1:%(show)s] from u
  where not exists (select from e where e.shard = u.shard and e.seq = u.seq) group by u.shard"""

# Where in a shard the numbers of a step and of the tables differ.
STEP_GAPS = """
with r as (select step, prev, upto, events from routed
           where shard = %(shard)s and day >= %(since)s and prev >= %(floor)s and events > 0)
select r.step, r.prev, r.upto, r.events, n.events from r
cross join lateral (select count(*) as events from event x
                    where x.shard = %(shard)s and x.seq > r.prev and x.seq <= r.upto and x.day >= %(day)s) n
where n.events <> r.events order by r.step limit %(show)s"""

DROPPED = "select coalesce(sum(waiting), 0) from ended where at >= %(since)s::date"

NAMES = """
select e.shard, e.seq, e.id from unnest(%(shard)s::int2[], %(seq)s::int8[]) u(shard, seq)
join event e on e.shard = u.shard and e.seq = u.seq and e.day >= %(day)s"""

ENDS = """
with x as (
  select sub, seq, run, count(*) filter (where finish <> 0) as ends, max(pos) filter (where finish = 0) as last_try,
         min(pos) filter (where finish <> 0) as first_end, (array_agg(event_id))[1] as event_id
  from attempt where day >= %(day)s group by sub, seq, run),
y as (
  select count(*) over w as n, row_number() over (w order by seq, sub, run) as place, ends > 1 as twice, x.*
  from x where ends > 1 or last_try > first_end window w as (partition by ends > 1))
select n, twice, sub, run, event_id from y where place <= %(show)s order by twice, place"""

BOTH = """
select count(*) over (), d.sub, d.seq, d.run, a.event_id from due d
join attempt a on a.sub = d.sub and a.seq = d.seq and a.run = d.run and a.day = d.day and a.finish <> 0
order by d.seq, d.sub limit %(show)s"""

FINISHED = "select finish, count(*) from attempt where day >= %(day)s and finish <> 0 group by finish order by finish"
OPEN = """
select (select count(*) from due where not held), (select count(*) from due where held),
  (select count(*) from parcel p cross join unnest(p.seqs) q(seq)
   where not exists (select from attempt a where a.sub = p.sub and a.seq = q.seq and a.run = p.run and a.day = p.day)
     and not exists (select from due d where d.sub = p.sub and d.seq = q.seq and d.run = p.run))"""

KEYS = """
select count(*) over (), i.env, i.event_id, i.at from idempotency i
where i.at >= %(since)s::date and i.at::date > %(oldest)s and not exists (
  select from event e where e.env = i.env and e.id = i.event_id and e.day between i.at::date - 1 and i.at::date + 1)
order by i.at limit %(show)s"""

REQUEUES = """
select count(*) over (), c.id, c.sub, c.seq from command c
where c.kind = 'requeue' and c.applied_at is not null and c.result like 'queued%%' and c.day >= %(day)s
and not exists (select from attempt a where a.sub = c.sub and a.seq = c.seq and a.run = c.id and a.day = c.day)
and not exists (select from due d where d.sub = c.sub and d.seq = c.seq and d.run = c.id)
and not exists (select from parcel p where p.sub = c.sub and p.run = c.id and c.seq = any(p.seqs))
and not exists (select from ended x where x.sub = c.sub)
order by c.id limit %(show)s"""

ORPHANS = """
select count(*) over (), x.sub, x.waits from (
  select sub, count(*) as waits from (select sub from parcel union all select sub from due) w group by sub) x
join ended g on g.sub = x.sub order by x.sub limit %(show)s"""
