"""Counts by minute, hour and day, folded from facts: of deliveries by their attempts, of events by their acceptance."""

from django.db import migrations

KEY = """
    env   integer     not null,
    kind  smallint    not null,                  -- 0 environment, 1 consumer, 2 subscription, 3 type
    ref   text        not null,                  -- the consumer's or subscription's number, or the type
    grain smallint    not null,                  -- 0 minute, 1 hour, 2 day
    at    timestamptz not null,                  -- its beginning
    shard smallint    not null,                  -- of the facts: its owner alone writes the row"""
# Rows are updated twice a second while their minute lasts: room for it in their own page, and no index on what changes.
WITH = "with (fillfactor = 60, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000)"
INDEXES = """
create index {table}_time on {table} (env, kind, grain, at);
create index {table}_age on {table} (grain, at);
"""

TABLES = f"""
create table insight_deliveries ({KEY},
    attempts       bigint not null,              -- requests that were made
    failures       bigint not null,              -- of them, those not answered by 2xx
    retries        bigint not null,              -- of them, those that were not the first
    delivered      bigint not null,              -- ends, by kind
    dead           bigint not null,
    cancelled      bigint not null,
    expired        bigint not null,
    other_ends     bigint not null,
    bytes_sent     bigint not null,              -- of events' data
    bytes_received bigint not null,              -- of answers
    latency_us     bigint not null,              -- sum
    lag_us         bigint not null,              -- sum, from acceptance to the first attempt
    oldest_us      bigint not null,              -- the longest of these
    slowest_us     bigint not null,
    reasons        bytea  not null,              -- counts by reason, as hub.insights.histogram encodes them
    latency        bytea  not null,              -- histograms
    lag            bytea  not null,
    primary key (env, kind, ref, grain, at, shard)
) {WITH};
{INDEXES.format(table="insight_deliveries")}
create table insight_events ({KEY},
    events    bigint not null,
    bytes     bigint not null,
    unmatched bigint not null,
    largest   bigint not null,
    primary key (env, kind, ref, grain, at, shard)
) {WITH};
{INDEXES.format(table="insight_events")}
create table insight_runs (
    run       integer  not null,
    sub       integer  not null,
    shard     smallint not null,
    attempts  bigint   not null,
    failures  bigint   not null,
    delivered bigint   not null,
    dead      bigint   not null,
    cancelled bigint   not null,
    other     bigint   not null,
    primary key (run, sub, shard)
) with (fillfactor = 60);
"""

UNDO = "drop table insight_runs, insight_events, insight_deliveries;"


class Migration(migrations.Migration):
    initial = True
    dependencies = [("reactors", "0001_reactor")]
    operations = [migrations.RunSQL(TABLES, UNDO)]
