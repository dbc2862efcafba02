"""How far each reactor has folded each shard, and the facts that it could not fold."""

from django.db import migrations

TABLES = """
-- The last row of a (name, shard) is its cursor. A step can be written once, so of two owners only one folds a fact.
create table reactor_step (
    name  text     not null,
    shard smallint not null,
    step  bigint   not null,                     -- 1, 2, 3 …
    prev  bigint   not null,
    pos   bigint   not null,                     -- facts up to here are folded; below prev = folded anew from there
    at    timestamptz not null default clock_timestamp(),
    primary key (name, shard, step)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

create table reactor_skipped (
    name  text     not null,
    shard smallint not null,
    pos   bigint   not null,
    part  integer  not null,                     -- of several facts at one position
    at    timestamptz not null default clock_timestamp(),
    error text     not null,
    primary key (name, shard, pos, part)
);
"""

UNDO = "drop table reactor_skipped, reactor_step;"


class Migration(migrations.Migration):
    initial = True
    dependencies = [("routing", "0001_routing")]
    operations = [migrations.RunSQL(TABLES, UNDO)]
