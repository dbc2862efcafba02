"""What tenants declare of their event types: what an event does to its subject's state, and which paths are indexed."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from hub.tenants.models import Environment, one_of


class Projection(models.Model):
    """For the types of one pattern. Of several that ask for a type, the closest says what its events do; paths add up.

    `indexed_at`: since when the events from before it was declared are in the index too.
    """

    class Semantics(models.TextChoices):
        SNAPSHOT = "snapshot"
        MERGE_PATCH = "merge-patch"

    uid = models.CharField(max_length=40, unique=True, editable=False)
    environment = models.ForeignKey(Environment, models.PROTECT, related_name="projections", db_index=False)
    pattern = models.CharField(max_length=130)
    semantics = models.CharField(max_length=11, choices=Semantics)
    keys = ArrayField(models.CharField(max_length=200), default=list)
    indexed_at = models.DateTimeField(null=True, editable=False)
    version = models.IntegerField(default=1, db_default=1)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("environment", "pattern"), name="projection_once"),
            one_of("semantics", values=["snapshot", "merge-patch"], name="projection_semantics_known"),
        )

    def __str__(self) -> str:
        return self.uid
