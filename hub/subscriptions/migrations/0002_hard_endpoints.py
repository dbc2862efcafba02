"""OAuth 2.0 as a kind of endpoint authentication, and client certificates. Rewrites no row."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("subscriptions", "0001_initial"),
    ]

    operations = [
        migrations.RemoveConstraint(model_name="subscription", name="subscription_auth_known"),
        migrations.AddField(
            model_name="subscription",
            name="client_certificate",
            field=models.JSONField(null=True),
        ),
        migrations.AddField(
            model_name="subscription",
            name="client_certificate_sealed",
            field=models.BinaryField(null=True),
        ),
        migrations.AlterField(
            model_name="subscription",
            name="auth_kind",
            field=models.CharField(
                choices=[("none", "None"), ("basic", "Basic"), ("bearer", "Bearer"), ("oauth2", "Oauth2")],
                db_default="none",
                default="none",
                max_length=6,
            ),
        ),
        migrations.AddConstraint(
            model_name="subscription",
            constraint=models.CheckConstraint(
                condition=models.Q(("auth_kind__in", ["none", "basic", "bearer", "oauth2"])),
                name="subscription_auth_known",
            ),
        ),
    ]
