"""The shape of an event in the API, and of what names events. It reads no row."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request

from hub.api import fields, pagination
from hub.api.renderers import Raw
from hub.core import ids
from hub.eventlog.append import ORIGIN_HUB
from hub.eventlog.selectors import Event
from hub.subscriptions.patterns import BadPattern, validate_pattern
from hub.tenants import refusals

TYPE = OpenApiParameter(
    "type",
    {
        "type": "string",
        "maxLength": 128,
        "pattern": r"^(\*|[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*(\.\*)?)$",
    },
    description="An event type, or `order.*`; `*` is all but the hub's own.",
)


class Output(serializers.Serializer[None]):
    id = serializers.CharField()
    type = serializers.CharField()
    accepted_at = serializers.DateTimeField(help_text="When it was committed to the log.")
    time = serializers.DateTimeField(allow_null=True, help_text="When it happened, as its sender said.")
    source = serializers.CharField(allow_null=True, allow_blank=True)
    subject = serializers.CharField(allow_null=True, allow_blank=True)
    consumer = serializers.CharField(allow_null=True, help_text="con_ id of whom it is addressed to.")
    channels = serializers.ListField(child=serializers.CharField())
    client_id = serializers.CharField(
        allow_null=True, allow_blank=True, help_text="The id that its sender gave."
    )
    origin = serializers.ChoiceField(
        ["api", "hub"], help_text="hub: one of the hub's own, such as hub.delivery.dead."
    )
    size = serializers.IntegerField(help_text="Bytes of its data.")
    shard = serializers.IntegerField()
    seq = serializers.IntegerField(help_text="Its offset: ascending within the shard.")
    traceparent = serializers.CharField(allow_null=True)
    extensions = fields.Object(help_text="Extension attributes of a CloudEvent.")

    class Meta:
        ref_name = "Event"


class WithData(Output):
    data = serializers.JSONField(help_text="As it was sent, digit by digit.")

    class Meta:
        ref_name = "EventWithData"


class Standing(serializers.Serializer[None]):
    total = serializers.IntegerField(help_text="Counted up to 1,000.")
    has_more = serializers.BooleanField()
    states: Any = serializers.DictField(
        child=serializers.IntegerField(), help_text="How many are in each state; those with none left out."
    )

    class Meta:
        ref_name = "EventDeliveries"


class Detail(WithData):
    routing = serializers.ChoiceField(
        ["pending", "routed", "unmatched"], help_text="unmatched: kept, but nobody had subscribed to it."
    )
    deliveries = Standing()

    class Meta:
        ref_name = "EventDetail"


def show(event: Event) -> dict[str, Any]:
    """As Output, and with data if it was loaded."""
    shown = {
        "id": ids.encode("evt", event.id),
        "type": event.type,
        "accepted_at": event.created_at,
        "time": event.time,
        "source": event.source,
        "subject": event.subject,
        "consumer": event.consumer_id,
        "channels": event.channels or [],
        "client_id": event.client_id,
        "origin": "hub" if event.origin == ORIGIN_HUB else "api",
        "size": event.size,
        "shard": event.shard,
        "seq": event.seq,
        "traceparent": event.trace,
        "extensions": Raw(event.extensions) if event.extensions else {},
    }
    if event.data is not None:
        shown["data"] = Raw(event.data)
    return shown


def asked_type(request: Request) -> str | None:
    """The `type` parameter, if it is a type or a pattern."""
    text = request.query_params.get("type")
    if text is None:
        return None
    try:
        return validate_pattern(text)
    except BadPattern as error:
        raise pagination.bad_parameter("type", str(error)) from None


def event_id(text: str) -> bytes:
    """The 16 bytes of an evt_ id, or a 404."""
    try:
        return ids.decode("evt", text)
    except ids.BadId:
        raise refusals.not_found("event") from None
