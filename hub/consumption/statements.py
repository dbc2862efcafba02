"""The statements by which positions are read and moved: each by sets, each one round trip. Nothing here runs them.

What keeps two readers apart is the row of a mark: it is locked, and whether it is free is judged by its own columns alone,
which PostgreSQL looks at anew after it has waited for the lock.
"""

from __future__ import annotations

from typing import Final

_SETTINGS: Final = """(values
 ('synchronous_commit', 'off'), ('enable_sort', 'off'), ('enable_bitmapscan', 'off'), ('enable_seqscan', 'off'),
 ('enable_hashjoin', 'off'), ('enable_mergejoin', 'off'), ('jit', 'off'), ('plan_cache_mode', 'force_generic_plan')
) s(name, value)"""
# Begins each transaction that reads or acknowledges. A mark that a crash of the database takes back is read again, which "at
# least once" allows; and a fresh day has no statistics, so that only an index walk is sure to be cheap.
SETTINGS: Final = f"select set_config(name, value, true) from {_SETTINGS}"
# The same, holding the position against its deletion until the end; no row: it was deleted.
HOLD: Final = f"""select set_config(name, value, true)
from (select from consumption_position where id = %(position)s for key share) p, {_SETTINGS}"""

# The shards in which events of the position `p` may lie, by one probe of an index for each.
SHARDS: Final = """
 with recursive s(shard) as (
  (select c.shard from tenants_consumer c where c.environment_id = p.environment_id and p.consumer_id is null
   order by c.shard limit 1)
  union all
  select (select c.shard from tenants_consumer c where c.environment_id = p.environment_id and c.shard > s.shard
          order by c.shard limit 1)
  from s where s.shard is not null)
 select s.shard from s where s.shard is not null
 union select e.shard from tenants_environment e where e.id = p.environment_id and p.consumer_id is null
 union select c.shard from tenants_consumer c where c.id = p.consumer_id"""

# A shard that appeared after the position was made (or moved as a whole) has only later events of the environment in it.
# How many marks there are then.
ADD: Final = f"""
with added as (
insert into consumption_mark (position_id, shard, upto, day)
select p.id, s.shard, p.origin_seq, p.origin_day from consumption_position p cross join lateral ({SHARDS}) s
where p.id = %(position)s
  and not exists (select from consumption_mark m where m.position_id = p.id and m.shard = s.shard)
on conflict do nothing returning 1)
select (select count(*) from consumption_mark where position_id = %(position)s) + (select count(*) from added)"""

# No lease lasts longer than 600 s, so one that seems to is an old one of a clock that went back.
FREE: Final = """(m.lease_until is null or m.lease_until <= clock_timestamp()
 or m.lease_until > clock_timestamp() + interval '601 s')"""
KEPT: Final = "to_regclass('event_' || to_char({day}, 'YYYYMMDD')) is not null"

# Of a row `w` of the log and a mark `f`: is it asked for? The same as Filter.wants.
WANTED: Final = """
 (w.env = %(env)s and (%(consumer)s::int4 is null or coalesce(w.consumer = %(consumer)s::int4, false))
  and (f.since is null or w.seq > f.since_end or w.created_at >= f.since)
  and (%(channels)s::text[] is null or coalesce(w.channels && %(channels)s::text[], false))
  and (w.type = any(%(exact)s::text[]) or w.type ^@ any(%(prefixes)s::text[])
       or (%(all)s::bool and not w.type ^@ 'hub.')))"""

# Walks the free shards one after the other, the one that waited longest first, each in the order of its offsets: `scan`
# rows of each at most, and no further than the limit. A row is given if it is asked for, or the last that was looked at in
# its shard (`last`, the `n`-th); its data as long as the sum of sizes is within the bytes. Both windows keep no row but the
# next, so that a full answer ends the walk and nothing is spooled.
READ: Final = f"""
with free as materialized (
 select m.shard, m.upto, m.day, m.since, m.since_end, m.upto = 0 or {KEPT.format(day="m.day")} as kept
 from consumption_mark m where m.position_id = %(position)s and {FREE}
 order by m.taken_at nulls first, m.shard for update skip locked)
select f.shard, f.upto, f.day, f.kept, current_date, e.seq, e.day, e.first, coalesce(e.n, 0),
 coalesce(e.last, false), coalesce(e.wanted, false), e.size, e.id, e.type,
 extract(epoch from coalesce(e.time, e.created_at))::float8, e.source, e.subject, e.extensions,
 (select c.public_id from tenants_consumer c where c.id = e.consumer),
 case when e.wanted and sum(case when e.wanted then e.size else 0 end) over (rows unbounded preceding)
           <= greatest(%(bytes)s::int8, e.size) then e.data end
from free f left join lateral (
 select w.*, {WANTED} as wanted, min(w.seq) over o as first, row_number() over o as n, lead(w.seq) over o is null as last
 from (select * from event e where e.shard = f.shard and e.seq > f.upto and e.day >= f.day - 1 and e.day <= current_date + 1
       order by e.seq limit %(scan)s) w
 window o as (order by w.seq rows unbounded preceding)) e on e.wanted or e.last
limit %(rows)s"""

_MOVES: Final = """unnest(%(shards)s::int2[], %(upto)s::int8[], %(days)s::date[], %(skipped)s::int8[], %(lasts)s::int8[],
 %(ends)s::int8[], %(end_days)s::date[]) u(shard, upto, day, skipped, last, lease_end, lease_day)"""

# Marks move past what nobody asked for, and those whose shard gave events are leased (`last` is null for the others).
TAKE: Final = f"""
with l as (insert into consumption_lease (id, position_id, shards, events, until)
 values (%(lease)s, %(position)s, %(leased)s, %(events)s, clock_timestamp() + %(seconds)s * interval '1 second')
 returning id, until),
m as (update consumption_mark m set upto = u.upto, day = u.day, taken_at = clock_timestamp(),
  skipped_to = coalesce(u.skipped, m.skipped_to), lease = case when u.last is null then null else l.id end,
  lease_until = case when u.last is null then null else l.until end, lease_last = u.last, lease_end = u.lease_end,
  lease_day = u.lease_day
 from {_MOVES}, l where m.position_id = %(position)s and m.shard = u.shard)
select until from l"""

ADVANCE: Final = f"""
update consumption_mark m set upto = u.upto, day = u.day, skipped_to = coalesce(u.skipped, m.skipped_to), lease = null,
 lease_until = null
from {_MOVES} where m.position_id = %(position)s and m.shard = u.shard"""

ACK: Final = """
update consumption_mark m set upto = m.lease_end, day = m.lease_day, lease = null, lease_until = null
where m.position_id = %(position)s and m.lease = %(lease)s and m.lease_until > clock_timestamp()
returning m.shard, m.upto, true"""

# A shard of which all that was handed out is acknowledged moves to the lease's end, past what nobody asked for.
ACK_PART: Final = """
update consumption_mark m set
 upto = case when u.upto >= m.lease_last then m.lease_end else greatest(m.upto, u.upto) end,
 day = case when u.upto >= m.lease_last then m.lease_day else m.day end,
 lease = case when u.upto >= m.lease_last then null else m.lease end,
 lease_until = case when u.upto >= m.lease_last then null else m.lease_until end
from unnest(%(shards)s::int2[], %(upto)s::int8[]) u(shard, upto)
where m.position_id = %(position)s and m.shard = u.shard and m.lease = %(lease)s and m.lease_until > clock_timestamp()
returning m.shard, m.upto, m.lease is null"""

EXTEND: Final = """
update consumption_mark m set lease_until = %(until)s
where m.position_id = %(position)s and m.lease = %(lease)s and m.lease_until > clock_timestamp()
returning m.shard"""
RELEASE: Final = """
update consumption_mark m set lease = null, lease_until = null
where m.position_id = %(position)s and m.lease = %(lease)s"""

TOLD: Final = "select pg_notify('hub_positions', %s)"
END_OF_LOG: Final = (
    "select case when is_called then last_value else 0 end, current_date, clock_timestamp() from event_seq"
)
