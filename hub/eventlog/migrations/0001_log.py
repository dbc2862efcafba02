"""The append-only log: day partitions, their maker, the guards that hold it append-only, and idempotency keys."""

from django.db import migrations

EVENT = """
create sequence event_seq;
create table event (
    day        date        not null,
    shard      smallint    not null,
    seq        bigint      not null,
    id         uuid        not null,
    env        integer     not null,
    consumer   integer,
    origin     smallint    not null default 0,   -- 0 REST, 1 the hub itself, 2 a source, 3 a saga
    depth      smallint    not null default 0,   -- how many reactions lie between this event and the outside
    version    smallint    not null default 0,   -- of the type's schema
    size       integer     not null,
    created_at timestamptz not null,
    time       timestamptz,
    type       text        not null,
    source     text,
    subject    text,
    client_id  text,
    channels   text[],
    trace      text,
    extensions text,                            -- CloudEvents extension attributes, a JSON object
    data       bytea       not null
) partition by range (day);
create unique index event_offset  on event (shard, seq, day);
create index event_env      on event (env, id);
create index event_type     on event (env, type, id);
create index event_subject  on event (env, subject, id) where subject is not null;
create index event_consumer on event (consumer, id) where consumer is not null;

create table idempotency (
    env      integer     not null,
    key      bytea       not null,
    hash     bytea       not null,
    event_id uuid        not null,
    at       timestamptz not null default now(),
    primary key (env, key)
);
create index idempotency_at on idempotency using brin (at) with (pages_per_range = 16, autosummarize = on);
"""

GUARDS = """
create function hub_append_only() returns trigger language plpgsql as $$
begin
    -- Tests that flush say so: set hub.allow_truncate = 'on' in their own session.
    if tg_op = 'TRUNCATE' and current_setting('hub.allow_truncate', true) = 'on' then
        return null;
    end if;
    raise exception '% is append-only: % is refused', tg_table_name, lower(tg_op)
        using errcode = 'restrict_violation';
end $$;

create function hub_guard(parent text) returns void language plpgsql as $$
begin
    execute format('create trigger append_only before update or delete on %I
                    for each row execute function hub_append_only()', parent);
    execute format('create trigger append_only_truncate before truncate on %I
                    for each statement execute function hub_append_only()', parent);
end $$;
select hub_guard('event');

-- Makes one day's partition of one parent. LIKE + ATTACH, because CREATE TABLE ... PARTITION OF waits for every
-- reader of the parent and stops ingest behind it. Returns whether it made one.
create function hub_make_day(parent text, d date) returns boolean language plpgsql security definer
    set search_path = public as $$
declare
    child text := parent || '_' || to_char(d, 'YYYYMMDD');
begin
    perform pg_advisory_xact_lock(9, hashtext(child));
    if to_regclass(child) is not null then
        return false;
    end if;
    execute format('create table %I (like %I including defaults including constraints including indexes
                    including storage including comments)', child, parent);
    execute format('alter table %I add constraint day_bounds check (day >= %L and day < %L)', child, d, d + 1);
    execute format('alter table %I attach partition %I for values from (%L) to (%L)', parent, child, d, d + 1);
    execute format('alter table %I drop constraint day_bounds', child);
    if exists (select from pg_trigger where tgrelid = parent::regclass and tgname = 'append_only_truncate') then
        execute format('create trigger append_only_truncate before truncate on %I
                        for each statement execute function hub_append_only()', child);
    end if;
    execute format('alter table %I set (autovacuum_analyze_threshold = 2000, autovacuum_analyze_scale_factor = 0.05)',
                   child);
    return true;
end $$;
"""

UNDO = """
drop table idempotency; drop table event; drop sequence event_seq;
drop function hub_make_day(text, date); drop function hub_guard(text); drop function hub_append_only();
"""


class Migration(migrations.Migration):
    initial = True
    dependencies = [("tenants", "0001_initial")]
    operations = [migrations.RunSQL(EVENT + GUARDS, UNDO)]
