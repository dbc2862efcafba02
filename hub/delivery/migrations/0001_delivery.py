"""Deliveries as facts: parcels that wait, dues that retry, attempts, captures and breaker transitions."""

from django.db import migrations

TABLES = """
-- The deliveries of ONE subscription that came from ONE routing statement; deleted when each has an attempt or a due.
create table parcel (
    shard     smallint not null,                 -- the subscription's
    sub       integer  not null,
    src       smallint not null,                 -- the events' shard
    first_seq bigint   not null,
    run       integer  not null default 0,
    day       date     not null,                 -- the events'
    via       smallint not null default 0,       -- 0 routing, 1 replay, 2 requeue, 3 fallback, 4 share, 5 saga
    at        timestamptz not null default now(),
    seqs      bigint[] not null,
    primary key (shard, sub, src, first_seq, run)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- Deliveries that wait for a retry, or behind an open one of their subject (held).
create table due (
    shard    smallint    not null,
    sub      integer     not null,
    seq      bigint      not null,
    run      integer     not null default 0,
    src      smallint    not null,
    day      date        not null,
    due_at   timestamptz not null,
    attempt  smallint    not null,               -- attempts made so far
    manuals  smallint    not null default 0,     -- those of them a person asked for: the schedule doesn't count them
    via      smallint    not null default 0,
    manual   boolean     not null default false,
    held     boolean     not null default false,
    subject  bigint,                             -- hash, for ordered subscriptions only
    planned  timestamptz,                        -- what the automatic schedule said, while a manual retry is pending
    constraint due_once unique (sub, seq, run)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
create index due_next on due (shard, sub, due_at) where not held;
create index due_held on due (shard, sub, subject, seq) where subject is not null;

create table attempt (
    day      date        not null,               -- the event's, so that one partition answers and both drop together
    shard    smallint    not null,
    pos      bigint      not null,               -- ascending for each shard, written by its owner alone
    env      integer     not null,
    sub      integer     not null,
    seq      bigint      not null,
    run      integer     not null,
    src      smallint    not null,
    event_id uuid        not null,
    n        smallint    not null,
    at       timestamptz not null,
    version  integer     not null,               -- of the subscription
    http     smallint    not null,
    reason   smallint    not null,
    finish   smallint    not null,               -- 0 more to come; else hub.delivery.states
    manual   boolean     not null default false,
    next_at  timestamptz,
    dns_us integer, connect_us integer, tls_us integer, first_us integer, total_us integer,
    size     integer     not null default 0,     -- of the answer
    digest   bytea,                              -- BLAKE2b-64 of the body that was sent
    answer   bytea,                              -- up to 128 B of it
    detail   text
) partition by range (day);
create unique index attempt_pos on attempt (shard, pos, day);
create index attempt_delivery on attempt (sub, seq, run);
create index attempt_recent on attempt (env, at);
create index attempt_dead on attempt (env, at) where finish = 2;
create index attempt_ended on attempt (env, at) where finish > 2;

create table capture (
    day      date     not null,                  -- the attempt's: kept for less time than the attempt
    sub      integer  not null,
    seq      bigint   not null,
    run      integer  not null,
    n        smallint not null,
    request  bytea    not null,
    headers  bytea    not null,
    body     bytea    not null,
    truncated boolean not null
) partition by range (day);
create index capture_attempt on capture (sub, seq, run, n);

create table breaker_fact (
    id      bigint generated always as identity primary key,
    sub     integer not null,
    at      timestamptz not null,
    state   text    not null,
    until   timestamptz,
    streak  integer not null,
    failing_since timestamptz,
    reason  text    not null
);
create index breaker_fact_sub on breaker_fact (sub, id desc);

-- One row when a deleted subscription's waiting deliveries were dropped: they read as cancelled from then on.
create table ended (
    sub     integer primary key,
    shard   smallint not null,
    at      timestamptz not null default clock_timestamp(),
    waiting integer not null
);

select hub_guard('attempt');
select hub_guard('breaker_fact');
"""

UNDO = "drop table ended, breaker_fact, capture, attempt, due, parcel;"


class Migration(migrations.Migration):
    initial = True
    dependencies = [("eventlog", "0001_log"), ("subscriptions", "0001_initial")]
    operations = [migrations.RunSQL(TABLES, UNDO)]
