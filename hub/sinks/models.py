"""Sinks and the requests they caught, as rows. Tokens are addresses and no credentials; sealed values are never kept."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from hub.tenants.models import Environment, one_of


class Sink(models.Model):
    """A test endpoint of one environment. `respond` is in the form of `policy.stored`."""

    uid = models.CharField(max_length=40, unique=True, editable=False)
    environment = models.ForeignKey(Environment, models.PROTECT, related_name="sinks", db_index=False)
    name = models.CharField(max_length=200, blank=True, db_default="")
    token = models.CharField(max_length=43, unique=True, editable=False)
    respond = models.JSONField()
    version = models.IntegerField(default=1, db_default=1)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        indexes = (models.Index(fields=("environment", "id"), name="sink_by_environment"),)

    def __str__(self) -> str:
        return self.uid


class Caught(models.Model):
    """One request. `headers`: [[name, value], …]; `message_id` is its webhook-id, `signature` what became of its check."""

    id = models.BigAutoField(primary_key=True)
    uid = models.CharField(max_length=40, editable=False)
    sink = models.ForeignKey(Sink, models.CASCADE, related_name="requests", db_index=False)
    at = models.DateTimeField(db_default=Now(), db_index=True)
    via = models.CharField(max_length=8)
    method = models.CharField(max_length=16)
    query = models.TextField(blank=True, db_default="")
    headers = models.JSONField()
    body = models.BinaryField()
    size = models.IntegerField()
    truncated = models.BooleanField()
    message_id = models.CharField(max_length=100, blank=True, db_default="")
    signature = models.CharField(max_length=8, blank=True, db_default="")

    class Meta:
        constraints = (
            one_of("via", values=["delivery", "http"], name="caught_via_known"),
            one_of("signature", values=["", "verified", "wrong"], name="caught_signature_known"),
        )
        indexes = (models.Index(fields=("sink", "id"), name="caught_by_sink"),)

    def __str__(self) -> str:
        return self.uid
