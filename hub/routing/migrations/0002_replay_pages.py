"""Pages of replays, and an index of what waits under a run."""

from django.db import migrations

TABLES = """
create table replay_page (
    id      bigint generated always as identity primary key,
    at      timestamptz not null default now(),
    run     integer  not null,
    shard   smallint not null,                   -- the subscription's, whose owner applies it
    sub     integer  not null,
    src     smallint not null,                   -- the events', and their day
    day     date     not null,
    seqs    bigint[] not null,
    ended   boolean  not null default false,     -- its run was cancelled: to be applied without effect
    applied_at timestamptz,
    made    integer
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
create index replay_page_open on replay_page (shard, id) where applied_at is null;
create index replay_page_run on replay_page (run, id);
create index due_run on due (run, sub) where run > 0;
"""


class Migration(migrations.Migration):
    dependencies = [("routing", "0001_routing"), ("delivery", "0001_delivery")]
    operations = [migrations.RunSQL(TABLES, "drop index due_run; drop table replay_page;")]
