"""Answers kept for Idempotency-Key, sealed. Only idempotency.py reads or writes them; a change of keys seals them anew."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class StoredAnswer(models.Model):
    """The answer to the first POST with a key; the same key in another environment or consumer is another."""

    environment_id = models.IntegerField()
    consumer_id = models.IntegerField(db_default=0)
    key = models.CharField(max_length=255)
    request_hash = models.BinaryField(max_length=32)
    status = models.SmallIntegerField()
    body = models.BinaryField()
    headers = models.JSONField(default=dict)
    at = models.DateTimeField(db_default=Now(), db_index=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("environment_id", "consumer_id", "key"), name="stored_answer_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.status} for {self.key}"
