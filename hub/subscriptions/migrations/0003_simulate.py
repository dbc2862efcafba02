"""What a subscription of a test environment is told to pretend. Rewrites no row."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("subscriptions", "0002_hard_endpoints"),
    ]

    operations = [
        migrations.AddField(
            model_name="subscription",
            name="simulate",
            field=models.JSONField(null=True),
        ),
    ]
