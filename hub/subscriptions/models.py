"""Subscriptions and their secrets as rows. They hold secrets sealed only; services change them."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from hub.tenants.models import Consumer, Environment, one_of, shard_range


class Subscription(models.Model):
    """Which events go to which endpoint, and how. Kept as a tombstone (`deleted_at`) when deleted.

    `generation` is the value of the "subscriptions" counter at the last change, of a secret too.
    """

    class Auth(models.TextChoices):
        NONE = "none"
        BASIC = "basic"
        BEARER = "bearer"
        OAUTH2 = "oauth2"

    class Ordering(models.TextChoices):
        NONE = "none"
        SUBJECT = "subject"

    class State(models.TextChoices):
        ACTIVE = "active"
        PAUSED = "paused"
        DISABLED = "disabled"

    uid = models.CharField(max_length=40, unique=True, editable=False)
    environment = models.ForeignKey(Environment, models.PROTECT, related_name="subscriptions", db_index=False)
    consumer = models.ForeignKey(Consumer, models.PROTECT, null=True, related_name="subscriptions")
    shard = models.SmallIntegerField()
    name = models.CharField(max_length=200, blank=True, db_default="")
    url = models.TextField()
    patterns = ArrayField(models.CharField(max_length=130))
    channels = ArrayField(models.CharField(max_length=64), default=list)
    header_names = ArrayField(models.CharField(max_length=100), default=list)
    headers_sealed = models.BinaryField(null=True)
    auth_kind = models.CharField(max_length=6, choices=Auth, default=Auth.NONE, db_default="none")
    auth_sealed = models.BinaryField(null=True)
    # What may be shown of it: subject, issuer, fingerprint_sha256, not_after. Chain and key are sealed.
    client_certificate = models.JSONField(null=True)
    client_certificate_sealed = models.BinaryField(null=True)
    rate_limit = models.FloatField(null=True)
    rate_burst = models.IntegerField(null=True)
    parallelism = models.SmallIntegerField(default=32, db_default=32)
    timeout_s = models.SmallIntegerField(default=15, db_default=15)
    ordering = models.CharField(max_length=7, choices=Ordering, default=Ordering.NONE, db_default="none")
    max_age_s = models.IntegerField(default=604_800, db_default=604_800)
    retry_schedule = ArrayField(models.IntegerField(), null=True)
    # In test environments only (see simulation.py); null: nothing is simulated.
    simulate = models.JSONField(null=True)
    capture = models.CharField(max_length=8, blank=True, default="", db_default="")
    state = models.CharField(max_length=8, choices=State, default=State.ACTIVE, db_default="active")
    state_reason = models.TextField(blank=True, default="", db_default="")
    state_since = models.DateTimeField(db_default=Now())
    version = models.IntegerField(default=1, db_default=1)
    generation = models.BigIntegerField(db_default=0, db_index=True)
    metadata = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)
    deleted_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        constraints = (
            one_of("state", values=["active", "paused", "disabled"], name="subscription_state_known"),
            one_of("ordering", values=["none", "subject"], name="subscription_ordering_known"),
            one_of("auth_kind", values=["none", "basic", "bearer", "oauth2"], name="subscription_auth_known"),
            one_of("capture", values=["", "failures", "all", "none"], name="subscription_capture_known"),
            shard_range("subscription_shard_range"),
        )
        indexes = (models.Index(fields=("environment", "id"), name="subscription_by_environment"),)

    def __str__(self) -> str:
        return self.uid


class Secret(models.Model):
    """A signing secret, sealed. Signs until `expires_at`, so that two overlap while one is rotated."""

    class Kind(models.TextChoices):
        HMAC = "hmac"
        ED25519 = "ed25519"

    subscription = models.ForeignKey(Subscription, models.CASCADE, related_name="secrets")
    kind = models.CharField(max_length=7, choices=Kind)
    sealed = models.BinaryField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (one_of("kind", values=["hmac", "ed25519"], name="secret_kind_known"),)

    def __str__(self) -> str:
        return f"{self.kind} secret of {self.subscription_id}"
