"""The SQL of sinks: catching one request by one statement, and forgetting old ones. Both ways in use the same."""

from __future__ import annotations

from typing import Final

# Looks up, holds to the rate and keeps at once; gives (respond, was it kept), or no row where there is no such sink.
CATCH: Final = """
with sink as (
  select id, respond from sinks_sink
  where token = %(token)s and (%(environment)s::int is null or environment_id = %(environment)s::int)),
recent as (
  select count(*) as number from (
    select r.at from sink join sinks_caught r on r.sink_id = sink.id order by r.id desc limit %(rate)s::int) last
  where last.at > clock_timestamp() - %(rate_s)s::int * interval '1 second'),
kept as (
  insert into sinks_caught (uid, sink_id, at, via, method, query, headers, body, size, truncated, message_id, signature)
  select %(uid)s, sink.id, clock_timestamp(), %(via)s, %(method)s, %(query)s, %(headers)s::jsonb, %(body)s::bytea,
         %(size)s::int, %(truncated)s::bool, %(message_id)s, %(signature)s
  from sink, recent where recent.number < %(rate)s::int
  returning 1)
select sink.respond, exists (select from kept) from sink"""

FORGET_OLD: Final = """
delete from sinks_caught where id = any(array(
  select id from sinks_caught where at < now() - %(hours)s * interval '1 hour' order by at limit %(batch)s))"""

FORGET_MANY: Final = """
delete from sinks_caught where id = any(array(
  select r.id from sinks_sink s cross join lateral (
    select x.id from sinks_caught x where x.sink_id = s.id order by x.id desc offset %(most)s limit %(batch)s) r
  limit %(batch)s))"""
