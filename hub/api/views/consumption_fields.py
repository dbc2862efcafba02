"""The shape of positions in the API, in and out. What values make sense is for hub.consumption to say."""

from __future__ import annotations

from typing import Any, Final

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.fields import empty

from hub.api import fields, moments
from hub.api.views.lease_fields import OFFSETS, Offsets, time_text
from hub.api.views.subscription_fields import CHANNEL, PATTERN
from hub.consumption import naming
from hub.consumption.models import Position
from hub.consumption.selectors import ShardStanding, Standing, Start
from hub.core import ids
from hub.core.clock import utcnow
from hub.subscriptions import policy

START: Final = rf"^(beginning|now|{moments.EITHER})\Z"


class StartField(fields.Text):
    """`beginning`, `now`, RFC 3339, or how long ago."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        hint = "must be beginning, now, RFC 3339 with an offset, or how long ago, such as 24h"
        self.validators.append(fields.pattern(START, hint))

    def run_validation(self, data: Any = empty) -> Start:
        text = super().run_validation(data)
        if text in ("beginning", "now"):
            return text  # type: ignore[no-any-return]
        try:
            return moments.parse(text, now=utcnow())
        except (moments.BadMoment, OverflowError):
            raise serializers.ValidationError("there is no such moment") from None


@extend_schema_field({"oneOf": [{"type": "string", "pattern": START.replace(r"\Z", "$")}, OFFSETS]})
class TargetField(serializers.Field[Any, Any, Any, Any]):
    """Where to: a start, or an offset for each of some shards."""

    def to_internal_value(self, data: Any) -> Start | dict[int, int]:
        if isinstance(data, dict):
            return Offsets().run_validation(data)
        return StartField().run_validation(data)

    def to_representation(self, value: Any) -> Any:
        return value


class Change(fields.Strict):
    types = fields.Items(
        child=fields.Text(
            max_length=128,
            validators=[fields.pattern(PATTERN, "is no pattern: order.created, order.* or *")],
        ),
        required=False,
        min_length=1,
        max_length=policy.MAX_PATTERNS,
        help_text="Event types, exact or as `order.*`; `*`, the default, is all but the hub's own.",
    )
    channels = fields.Items(
        child=fields.Text(
            validators=[fields.pattern(CHANNEL, "is no channel: 1 to 64 of A-Z a-z 0-9 _ . : -")]
        ),
        required=False,
        max_length=policy.MAX_CHANNELS,
        help_text="If given, only events in one of these.",
    )

    class Meta:
        ref_name = "PositionChange"


# Made by hand, since `from` can't be the name of an attribute.
New = type(
    "New",
    (Change,),
    {
        "name": fields.Text(
            max_length=64,
            validators=[fields.pattern(naming.NAME[:-1] + r"\Z", "must be 1 to 64 of A-Z a-z 0-9 . _ -, not beginning with pos_")],
            help_text="Your own name for it; it is part of the position's address.",
        ),
        "consumer": fields.Text(
            required=False, max_length=128, help_text="con_ id or uid: only events addressed to it."
        ),
        "from": StartField(
            required=False, default="now", help_text=f"`now` (the default), `beginning`, {moments.HINT}"
        ),
        "Meta": type("Meta", (), {"ref_name": "NewPosition"}),
        "__doc__": "",
    },
)  # fmt: skip


class Seek(fields.Strict):
    to = TargetField(
        help_text="A start, or offsets: the next event of each shard is the first after its offset."
    )

    class Meta:
        ref_name = "PositionSeek"


class Output(serializers.Serializer[Position]):
    id = serializers.CharField(source="uid")
    name = serializers.CharField()
    consumer = serializers.CharField(source="consumer.public_id", allow_null=True, default=None)
    own = serializers.BooleanField(
        help_text="A consumer's key made it; a key of the environment names it by its id."
    )
    types = serializers.ListField(child=serializers.CharField())
    channels = serializers.ListField(child=serializers.CharField())
    version = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    class Meta:
        ref_name = "Position"


class ShardOutput(serializers.Serializer[ShardStanding]):
    shard = serializers.IntegerField()
    offset = serializers.IntegerField(help_text="Acknowledged, or not asked for, up to here.")
    leased_until = serializers.DateTimeField(allow_null=True)
    skipped_to = serializers.IntegerField(
        allow_null=True, help_text="Days before this offset were gone when it got there."
    )

    class Meta:
        ref_name = "PositionShard"


class LeaseOutput(serializers.Serializer[None]):
    lease = serializers.CharField()
    shards = serializers.ListField(child=serializers.IntegerField())
    expires_at = serializers.DateTimeField()

    class Meta:
        ref_name = "PositionLease"


class Backlog(serializers.Serializer[Standing]):
    events = serializers.IntegerField(help_text="Not acknowledged yet; those leased count too.")
    exact = serializers.BooleanField(help_text="false: at least so many; counting has a bound.")
    oldest_at = serializers.DateTimeField(allow_null=True, help_text="When the oldest of them was accepted.")
    lag_s = serializers.FloatField(allow_null=True, help_text="How long ago that is.")

    class Meta:
        ref_name = "PositionBacklog"


class Detail(Output):
    shards = ShardOutput(many=True)
    leases = LeaseOutput(many=True)
    backlog = Backlog()

    class Meta:
        ref_name = "PositionDetail"


def detail(position: Position, standing: Standing) -> dict[str, Any]:
    """As Detail."""
    return {
        **Output(position).data,
        "shards": ShardOutput(standing.shards, many=True).data,
        "leases": [
            {
                "lease": ids.encode("lse", lease.id.bytes),
                "shards": lease.shards,
                "expires_at": time_text(lease.until),
            }
            for lease in standing.leases
        ],
        "backlog": Backlog(standing).data,
    }
