"""The table of handled deliveries."""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Handled",
            fields=[
                ("id", models.CharField(max_length=256, primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
            ],
            options={
                "verbose_name": "handled delivery",
                "verbose_name_plural": "handled deliveries",
                "db_table": "trunkline_handled",
            },
        ),
    ]
