"""Replay jobs, and how far each is with every subscription."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('subscriptions', '0001_initial'),
        ('tenants', '0002_append_only'),
    ]

    operations = [
        migrations.CreateModel(
            name='Job',
            fields=[
                ('id', models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('uid', models.CharField(editable=False, max_length=40, unique=True)),
                ('consumer', models.IntegerField(null=True)),
                ('run', models.IntegerField(unique=True)),
                ('state', models.CharField(choices=[('planned', 'Planned'), ('running', 'Running'), ('paused', 'Paused'), ('cancelling', 'Cancelling'), ('cancelled', 'Cancelled'), ('done', 'Done')], default='planned', max_length=10)),
                ('search', models.TextField(blank=True)),
                ('only_missing', models.BooleanField(default=False)),
                ('skip_delivered', models.BooleanField(default=False)),
                ('rate', models.IntegerField()),
                ('frozen_at', models.DateTimeField()),
                ('bounds', models.JSONField(default=dict)),
                ('plan', models.JSONField(default=dict)),
                ('actor', models.TextField()),
                ('version', models.IntegerField(default=1)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('started_at', models.DateTimeField(null=True)),
                ('finished_at', models.DateTimeField(null=True)),
                ('environment', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenants.environment')),
                ('target', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='subscriptions.subscription')),
            ],
        ),
        migrations.CreateModel(
            name='Target',
            fields=[
                ('id', models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('sub', models.IntegerField()),
                ('shard', models.SmallIntegerField()),
                ('position', models.JSONField(null=True)),
                ('ended', models.BooleanField(default=False)),
                ('issued', models.IntegerField(default=0)),
                ('skipped', models.IntegerField(default=0)),
                ('job', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='targets', to='replay.job')),
            ],
        ),
        migrations.AddIndex(
            model_name='job',
            index=models.Index(fields=['environment', 'id'], name='replay_by_environment'),
        ),
        migrations.AddIndex(
            model_name='job',
            index=models.Index(condition=models.Q(('state__in', ['running', 'paused', 'cancelling'])), fields=['id'], name='replay_at_work'),
        ),
        migrations.AddConstraint(
            model_name='job',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['planned', 'running', 'paused', 'cancelling', 'cancelled', 'done'])), name='replay_state_known'),
        ),
        migrations.AddConstraint(
            model_name='target',
            constraint=models.UniqueConstraint(fields=('job', 'sub'), name='replay_target_once'),
        ),
    ]
