"""The shape of deliveries, attempts and commands in the API. It reads no row."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request

from hub.api.pagination import bad_parameter
from hub.core import ids
from hub.delivery import simulation
from hub.delivery.outcome import Reason
from hub.delivery.selectors import Attempt, Delivery, header_lines
from hub.delivery.states import State
from hub.routing.services import KINDS, Followed

ASKABLE = (
    State.waiting,
    State.retrying,
    State.held,
    State.delivered,
    State.dead,
    State.cancelled,
    State.expired,
)
REASONS = sorted(reason.code for reason in Reason)
STATUS = OpenApiParameter(
    "status",
    {
        "type": "array",
        "items": {"type": "string", "enum": [str(state) for state in ASKABLE]},
        "minItems": 1,
        "uniqueItems": True,
    },
    description="One of these states, or several with commas between.",
    style="form",
    explode=False,
)


def states_of(request: Request) -> frozenset[State] | None:
    """The `status` parameter."""
    text = request.query_params.get("status")
    if text is None:
        return None
    words = text.split(",")
    known = {str(state): state for state in ASKABLE}
    if not set(words) <= known.keys():
        raise bad_parameter(
            "status", f"must be some of {', '.join(known)}, with commas between and no spaces"
        )
    return frozenset(known[word] for word in words)


class ReasonOutput(serializers.Serializer[None]):
    code = serializers.ChoiceField(REASONS)
    sentence = serializers.CharField()
    next_step = serializers.CharField(allow_blank=True, help_text="What to do about it, if anything.")

    class Meta:
        ref_name = "Reason"


class Output(serializers.Serializer[None]):
    id = serializers.CharField()
    state = serializers.ChoiceField([str(state) for state in State])
    event = serializers.CharField()
    type = serializers.CharField(help_text="The event's.")
    subject = serializers.CharField(allow_null=True, allow_blank=True, help_text="The event's.")
    subscription = serializers.CharField()
    consumer = serializers.CharField(allow_null=True, help_text="con_ id of whose subscription it is.")
    run = serializers.IntegerField(help_text="0, or the number of the command that asked for another run.")
    attempts = serializers.IntegerField(help_text="Made so far.")
    accepted_at = serializers.DateTimeField(help_text="When the event was.")
    at = serializers.DateTimeField(allow_null=True, help_text="When it was last tried, or ended.")
    next_at = serializers.DateTimeField(allow_null=True, help_text="When it is tried again.")
    http = serializers.IntegerField(allow_null=True, help_text="The status of the last answer.")
    reason = ReasonOutput(allow_null=True, help_text="Why its last attempt, or it, ended as it did.")

    class Meta:
        ref_name = "Delivery"


class Timing(serializers.Serializer[None]):
    dns_us = serializers.IntegerField(allow_null=True)
    connect_us = serializers.IntegerField(allow_null=True)
    tls_us = serializers.IntegerField(allow_null=True)
    first_byte_us = serializers.IntegerField(allow_null=True)
    total_us = serializers.IntegerField(allow_null=True)

    class Meta:
        ref_name = "Timing"


class Header(serializers.Serializer[None]):
    name = serializers.CharField()
    value = serializers.CharField(allow_blank=True)

    class Meta:
        ref_name = "Header"


class Capture(serializers.Serializer[None]):
    request_headers = Header(many=True, help_text="The hub's own; none of the subscription's.")
    headers = Header(many=True, help_text="Of the answer.")
    body = serializers.CharField(
        allow_blank=True, help_text="Of the answer; what is not UTF-8 is shown as U+FFFD."
    )
    truncated = serializers.BooleanField()

    class Meta:
        ref_name = "Capture"


class AttemptOutput(serializers.Serializer[None]):
    number = serializers.IntegerField()
    at = serializers.DateTimeField()
    sent = serializers.BooleanField(
        help_text="false: no request went to the endpoint; perhaps it was simulated, see detail."
    )
    manual = serializers.BooleanField(help_text="Somebody asked for it.")
    http = serializers.IntegerField(allow_null=True)
    reason = ReasonOutput()
    detail = serializers.CharField(allow_null=True, allow_blank=True)
    next_at = serializers.DateTimeField(allow_null=True)
    subscription_version = serializers.IntegerField(allow_null=True)
    timing = Timing()
    size = serializers.IntegerField(help_text="Bytes of the answer's body.")
    answer = serializers.CharField(
        allow_null=True, allow_blank=True, help_text="Its beginning, up to 128 bytes."
    )
    capture = Capture(allow_null=True, help_text="As the subscription's policy says, for some days.")

    class Meta:
        ref_name = "Attempt"


class CommandOutput(serializers.Serializer[None]):
    command = serializers.CharField(help_text="Its cmd_ id.")
    kind = serializers.ChoiceField(KINDS)
    delivery = serializers.CharField(allow_null=True)
    subscription = serializers.CharField()
    actor = serializers.CharField()
    asked_at = serializers.DateTimeField()
    applied_at = serializers.DateTimeField(allow_null=True)
    status = serializers.ChoiceField(["pending", "done", "refused"])
    result = serializers.CharField(allow_null=True, help_text="A sentence; null while it is pending.")
    new_delivery = serializers.CharField(allow_null=True, help_text="The run that a requeue began.")

    class Meta:
        ref_name = "Command"


class Detail(Output):
    waits_since = serializers.DateTimeField(
        allow_null=True, help_text="When it was routed, while it has not been tried."
    )
    last_attempt = AttemptOutput(allow_null=True)

    class Meta:
        ref_name = "DeliveryDetail"


def show(delivery: Delivery) -> dict[str, Any]:
    """As Output."""
    event, last = delivery.event, delivery.last
    assert event is not None
    return {
        "id": delivery.id,
        "state": delivery.state.value,
        "event": ids.encode("evt", event.id),
        "type": event.type,
        "subject": event.subject,
        "subscription": delivery.target.uid,
        "consumer": delivery.target.consumer,
        "run": delivery.run,
        "attempts": delivery.attempts,
        "accepted_at": event.created_at,
        "at": delivery.at,
        "next_at": delivery.next_at,
        "http": (last.http if last else 0) or None,
        "reason": None if delivery.reason is None else show_reason(delivery.reason),
    }


def show_reason(reason: Reason) -> dict[str, str]:
    return {"code": reason.code, "sentence": reason.sentence, "next_step": reason.next_step}


def show_attempt(attempt: Attempt) -> dict[str, Any]:
    """As AttemptOutput."""
    return {
        "number": attempt.n,
        "at": attempt.at,
        "sent": attempt.sent and not (attempt.detail or "").startswith(simulation.MARK),
        "manual": attempt.manual,
        "http": attempt.http or None,
        "reason": show_reason(attempt.reason),
        "detail": attempt.detail,
        "next_at": attempt.next_at,
        "subscription_version": attempt.version or None,
        "timing": {
            "dns_us": attempt.dns_us,
            "connect_us": attempt.connect_us,
            "tls_us": attempt.tls_us,
            "first_byte_us": attempt.first_us,
            "total_us": attempt.total_us,
        },
        "size": attempt.size,
        "answer": None if attempt.answer is None else attempt.answer.decode(errors="replace"),
        "capture": None
        if attempt.request is None
        else {
            "request_headers": _headers(attempt.request),
            "headers": _headers(attempt.headers or b""),
            "body": (attempt.body or b"").decode(errors="replace"),
            "truncated": bool(attempt.truncated),
        },
    }


def show_command(command: Followed) -> dict[str, Any]:
    """As CommandOutput."""
    return {
        "command": command.id,
        "kind": command.kind,
        "delivery": command.delivery,
        "subscription": command.subscription,
        "actor": command.actor,
        "asked_at": command.at,
        "applied_at": command.applied_at,
        "status": command.status,
        "result": command.result,
        "new_delivery": command.new_delivery,
    }


def _headers(block: bytes) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in header_lines(block)]
