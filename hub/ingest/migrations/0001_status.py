"""What each ingest process says of itself every second or two; lost in a crash without harm."""

from django.db import migrations

TABLE = """
create unlogged table ingest_status (
    process text primary key,
    at      timestamptz not null default clock_timestamp(),
    stats   jsonb not null
) with (fillfactor = 50);
"""


class Migration(migrations.Migration):
    initial = True
    dependencies = [("eventlog", "0001_log")]
    operations = [migrations.RunSQL(TABLE, "drop table ingest_status")]
