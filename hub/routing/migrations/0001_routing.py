"""The router's cursor as facts, and the commands by which everyone but an owner asks for a change."""

from django.db import migrations

TABLES = """
create table routed (
    day        date     not null,                -- of the routing statement
    shard      smallint not null,
    step       bigint   not null,                -- 1, 2, 3 … for each shard: two owners can't both write one
    prev       bigint   not null,
    upto       bigint   not null,
    upto_day   date     not null,
    generation bigint   not null,
    events     integer  not null,
    pairs      integer  not null,
    unmatched  bigint[] not null,
    at         timestamptz not null default clock_timestamp()
) partition by range (day);
create unique index routed_step on routed (shard, step, day);
select hub_guard('routed');

create table command (
    id      bigint generated always as identity primary key,
    at      timestamptz not null default now(),
    env     integer  not null,
    shard   smallint not null,
    sub     integer  not null,
    kind    text     not null check (kind in ('retry', 'cancel', 'requeue')),
    seq     bigint   not null,
    src     smallint not null,
    day     date     not null,
    run     integer  not null,
    actor   text     not null,
    applied_at timestamptz,
    result  text
);
create index command_open on command (shard, id) where applied_at is null;
create index command_delivery on command (sub, seq);

-- What each engine says of itself every few seconds; lost in a crash without harm.
create unlogged table engine_status (
    engine text primary key,
    at     timestamptz not null default clock_timestamp(),
    shards smallint[] not null,
    stats  jsonb not null
);

select hub_make_day(parent, current_date + ahead)
from unnest(array['event', 'attempt', 'capture', 'routed']) parent, generate_series(-1, 14) ahead;
"""

UNDO = "drop table engine_status, command, routed;"


class Migration(migrations.Migration):
    initial = True
    dependencies = [("delivery", "0001_delivery")]
    operations = [migrations.RunSQL(TABLES, UNDO)]
