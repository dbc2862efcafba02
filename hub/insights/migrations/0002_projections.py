"""What tenants declare of event types, the latest event of each subject and type, and the index of declared paths."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

TABLES = """
create table entity_latest (
    env      integer  not null,
    consumer integer  not null,                  -- 0: addressed to none
    type     text     not null,
    subject  text     not null,
    shard    smallint not null,
    seq      bigint   not null,
    id       uuid     not null,
    day      date     not null,
    primary key (env, consumer, type, subject)
) with (fillfactor = 80);

create table event_key (
    day   date    not null,                      -- the event's, so that both drop together
    env   integer not null,
    path  text    not null,
    value text    not null,                      -- as hub.insights.key_values.indexed() writes it
    id    uuid    not null
) partition by range (day);
create unique index event_key_once on event_key (env, path, value, id, day);
select hub_make_day('event_key', current_date + ahead) from generate_series(-1, 14) ahead;
"""


class Migration(migrations.Migration):
    dependencies = [("insights", "0001_cells"), ("tenants", "0002_append_only")]

    operations = [
        migrations.RunSQL(TABLES, "drop table event_key, entity_latest;"),
        migrations.CreateModel(
            name="Projection",
            fields=[
                ("id", models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("uid", models.CharField(editable=False, max_length=40, unique=True)),
                ("pattern", models.CharField(max_length=130)),
                (
                    "semantics",
                    models.CharField(
                        choices=[("snapshot", "Snapshot"), ("merge-patch", "Merge Patch")], max_length=11
                    ),
                ),
                (
                    "keys",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=200), default=list, size=None
                    ),
                ),
                ("indexed_at", models.DateTimeField(editable=False, null=True)),
                ("version", models.IntegerField(db_default=1, default=1)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                (
                    "updated_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                (
                    "environment",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="projections",
                        to="tenants.environment",
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="projection",
            constraint=models.UniqueConstraint(fields=("environment", "pattern"), name="projection_once"),
        ),
        migrations.AddConstraint(
            model_name="projection",
            constraint=models.CheckConstraint(
                condition=models.Q(("semantics__in", ["snapshot", "merge-patch"])),
                name="projection_semantics_known",
            ),
        ),
    ]
