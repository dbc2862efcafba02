"""Replay jobs and, of each, how far it is with every subscription. Services and the feeder change them, nobody else."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from hub.subscriptions.models import Subscription
from hub.tenants.models import Environment, one_of


class Job(models.Model):
    """What is sent again is frozen: what the search finds as of `frozen_at`, of events up to `bounds` (offset by shard).

    With a `target` the search is one of events, which go to that subscription; without, one of deliveries, each of which
    goes again to its own. All that it makes has one run.
    """

    class State(models.TextChoices):
        PLANNED = "planned"
        RUNNING = "running"
        PAUSED = "paused"
        CANCELLING = "cancelling"
        CANCELLED = "cancelled"
        DONE = "done"

    uid = models.CharField(max_length=40, unique=True, editable=False)
    environment = models.ForeignKey(Environment, models.PROTECT, related_name="+", db_index=False)
    consumer = models.IntegerField(null=True)
    run = models.IntegerField(unique=True)
    state = models.CharField(max_length=10, choices=State, default=State.PLANNED)
    search = models.TextField(blank=True)
    target = models.ForeignKey(Subscription, models.PROTECT, null=True, related_name="+", db_index=False)
    only_missing = models.BooleanField(default=False)
    skip_delivered = models.BooleanField(default=False)
    rate = models.IntegerField()
    frozen_at = models.DateTimeField()
    bounds = models.JSONField(default=dict)
    plan = models.JSONField(default=dict)
    actor = models.TextField()
    version = models.IntegerField(default=1)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (
            one_of(
                "state",
                values=["planned", "running", "paused", "cancelling", "cancelled", "done"],
                name="replay_state_known",
            ),
        )
        indexes = (
            models.Index(fields=("environment", "id"), name="replay_by_environment"),
            models.Index(
                fields=("id",),
                name="replay_at_work",
                condition=models.Q(state__in=["running", "paused", "cancelling"]),
            ),
        )

    def __str__(self) -> str:
        return self.uid


class Target(models.Model):
    """How far a job is with one subscription. `position`: where its next page begins; `ended`: there is none."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="targets", db_index=False)
    sub = models.IntegerField()
    shard = models.SmallIntegerField()
    position = models.JSONField(null=True)
    ended = models.BooleanField(default=False)
    issued = models.IntegerField(default=0)
    skipped = models.IntegerField(default=0)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("job", "sub"), name="replay_target_once"),)

    def __str__(self) -> str:
        return f"{self.job_id} to {self.sub}"
