"""Positions, how far each is in every shard, and the leases out on them. Rows only; services change them."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from hub.tenants.models import Consumer, Environment, one_of, shard_range


class Position(models.Model):
    """A named place in an environment's stream, or in what of it is one consumer's.

    `own`: a consumer's own key made it, so its name is one among that consumer's. `origin_seq` and `origin_day` say where
    shards begin in which the environment has no events yet.
    """

    uid = models.CharField(max_length=40, unique=True, editable=False)
    environment = models.ForeignKey(Environment, models.CASCADE, related_name="positions", db_index=False)
    consumer = models.ForeignKey(Consumer, models.CASCADE, null=True, related_name="positions")
    own = models.BooleanField(default=False, db_default=False)
    name = models.CharField(max_length=64)
    types = ArrayField(models.CharField(max_length=130))
    channels = ArrayField(models.CharField(max_length=64), default=list)
    origin_seq = models.BigIntegerField()
    origin_day = models.DateField()
    version = models.IntegerField(default=1, db_default=1)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("environment", "name"),
                condition=models.Q(own=False),
                name="position_name_once_an_environment",
            ),
            models.UniqueConstraint(
                fields=("consumer", "name"),
                condition=models.Q(own=True),
                name="position_name_once_a_consumer",
            ),
            models.CheckConstraint(
                condition=models.Q(own=False) | models.Q(consumer__isnull=False),
                name="position_own_has_consumer",
            ),
            models.CheckConstraint(
                condition=models.Q(name__regex=r"^[A-Za-z0-9._-]{1,64}$")
                & ~models.Q(name__startswith="pos_"),
                name="position_name_well_formed",
            ),
        )
        indexes = (models.Index(fields=("environment", "id"), name="position_by_environment"),)

    def __str__(self) -> str:
        return self.name


class Mark(models.Model):
    """How far a position is in one shard: everything up to the offset `upto` is acknowledged or was not asked for.

    What is not read yet has a `day` of its own or later; of what lay before the offset `since_end` only what was accepted
    from `since` on is meant. While a lease is out, `lease_last` is the last offset it handed out and `lease_end` where its acknowledgement moves the mark.
    """

    position = models.ForeignKey(Position, models.CASCADE, related_name="marks", db_index=False)
    shard = models.SmallIntegerField()
    upto = models.BigIntegerField()
    day = models.DateField()
    since = models.DateTimeField(null=True)
    since_end = models.BigIntegerField(null=True)
    taken_at = models.DateTimeField(null=True)
    lease = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    lease_last = models.BigIntegerField(null=True)
    lease_end = models.BigIntegerField(null=True)
    lease_day = models.DateField(null=True)
    skipped_to = models.BigIntegerField(null=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("position", "shard"), name="mark_once_a_shard"),
            shard_range("mark_shard_range"),
        )

    def __str__(self) -> str:
        return f"{self.position_id} in {self.shard} at {self.upto}"


class Lease(models.Model):
    """What one read handed out. Kept for an hour after its end, so that a late acknowledgement hears what became of it."""

    class Ending(models.TextChoices):
        ACKED = "acked"
        RELEASED = "released"
        REVOKED = "revoked"

    id = models.UUIDField(primary_key=True)
    position = models.ForeignKey(Position, models.CASCADE, related_name="leases")
    shards = ArrayField(models.SmallIntegerField())
    events = models.IntegerField()
    until = models.DateTimeField(db_index=True)
    ended = models.CharField(max_length=8, choices=Ending, null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = (one_of("ended", values=["acked", "released", "revoked"], name="lease_ending_known"),)

    def __str__(self) -> str:
        return f"lease of {self.position_id}"
