"""The shape of reads and leases in the API, in and out, and of offsets. What values make sense is for hub.consumption to say."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from hub.api import fields
from hub.tenants.models import SHARDS

_SHARD: Final = r"^([0-9]|[1-5][0-9]|6[0-3])$"
_LEASE: Final = r"^lse_[0-7][0-9a-hjkmnp-tv-z]{25}\Z"
OFFSETS: Final[dict[str, Any]] = {
    "type": "object",
    "propertyNames": {"pattern": _SHARD},
    "additionalProperties": {"type": "integer", "minimum": 0, "maximum": 2**63 - 1},
    "minProperties": 1,
    "maxProperties": SHARDS,
}


@extend_schema_field(OFFSETS)
class Offsets(serializers.DictField):
    """Shard → offset."""

    child = fields.Whole(min_value=0, max_value=2**63 - 1)

    def to_internal_value(self, data: Any) -> dict[int, int]:
        if not isinstance(data, dict):
            self.fail("not_a_dict", input_type=type(data).__name__)
        if not data:
            raise serializers.ValidationError("must name at least one shard")
        for name in data:
            if not re.fullmatch(_SHARD, name):
                raise serializers.ValidationError(
                    f"{name[:20]!r} is no shard: write a number from 0 to {SHARDS - 1}"
                )
        return {int(name): offset for name, offset in super().to_internal_value(data).items()}


class LeaseField(fields.Text):
    """The lse_ id of a lease."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(help_text="As a read gave it.", **kwargs)
        self.validators.append(fields.pattern(_LEASE, "is not the id of a lease, lse_ and 26 characters"))


class Read(fields.Strict):
    limit = fields.Whole(required=False, default=100, min_value=1, max_value=1_000)
    wait = fields.Number(
        required=False,
        default=0,
        min_value=0,
        max_value=30,
        help_text="Seconds to wait while there is nothing.",
    )
    lease = fields.Whole(
        required=False,
        default=30,
        min_value=5,
        max_value=600,
        help_text="Seconds until its events are handed out again.",
    )

    class Meta:
        ref_name = "PositionRead"


class Ack(fields.Strict):
    lease = LeaseField()
    upto = Offsets(
        required=False,
        help_text="Left out: everything. Else as far as this in each of these shards; the rest stays leased.",
    )

    class Meta:
        ref_name = "PositionAck"


class Extend(fields.Strict):
    lease = LeaseField()
    seconds = fields.Whole(required=False, default=30, min_value=5, max_value=600, help_text="From now.")

    class Meta:
        ref_name = "LeaseExtend"


class Release(fields.Strict):
    lease = LeaseField()

    class Meta:
        ref_name = "LeaseRelease"


class Event(serializers.Serializer[None]):
    """What a delivery of it would carry, and where it lies in the log."""

    shard = serializers.IntegerField()
    offset = serializers.IntegerField(help_text="Ascending within the shard.")
    consumer = serializers.CharField(
        required=False, help_text="con_ id of whom it is addressed to, if anybody."
    )
    id = serializers.CharField()
    type = serializers.CharField()
    timestamp = serializers.DateTimeField(help_text="When it happened, or else when it was accepted.")
    source = serializers.CharField(required=False, allow_blank=True)
    subject = serializers.CharField(required=False, allow_blank=True)
    extensions = fields.Object(required=False)
    data = serializers.JSONField(help_text="As it was sent, digit by digit.")

    class Meta:
        ref_name = "PositionEvent"


class Batch(serializers.Serializer[None]):
    lease = serializers.CharField(allow_null=True, help_text="Acknowledge it; null without events.")
    expires_at = serializers.DateTimeField(allow_null=True, help_text="Then its events are handed out again.")
    events = Event(many=True)
    has_more = serializers.BooleanField(
        help_text="There is more already, or may be: read on without waiting."
    )
    skipped_to: Any = serializers.DictField(
        child=serializers.IntegerField(),
        help_text="Shards that lay in days no longer kept, and the first offset that is: what lay before may be lost to you.",
    )

    class Meta:
        ref_name = "PositionBatch"


class Acked(serializers.Serializer[None]):
    status = serializers.ChoiceField(
        ["acked", "partly", "already"],
        help_text="partly: the rest stays leased. already: it was acknowledged before.",
    )
    offsets: Any = serializers.DictField(
        child=serializers.IntegerField(), help_text="Where the shards stand that were moved."
    )

    class Meta:
        ref_name = "PositionAcked"


class Extended(serializers.Serializer[None]):
    expires_at = serializers.DateTimeField()

    class Meta:
        ref_name = "LeaseExtended"


class Released(serializers.Serializer[None]):
    status = serializers.ChoiceField(
        ["released", "already"], help_text="already: it was over, in whatever way."
    )

    class Meta:
        ref_name = "LeaseReleased"


def time_text(value: datetime) -> str:
    return str(serializers.DateTimeField().to_representation(value))
