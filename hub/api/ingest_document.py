"""What the OpenAPI document says of taking events in, which is answered before Django. A test holds it to the parser."""

from __future__ import annotations

from typing import Any, Final

EVENTS: Final = "/api/v1/events"
BATCH: Final = "/api/v1/events/batch"
_PROBLEMS: Final = ("400", "401", "403", "409", "413", "415", "422", "429", "503", "default")
_TYPE: Final = {
    "type": "string",
    "maxLength": 128,
    # The hub's own types can't be posted.
    "pattern": r"^(?!hub\.)[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$",
    "examples": ["order.created"],
}
_TIME: Final = {"type": "string", "format": "date-time"}


# No control characters.
_CLEAN: Final = r"^[^\u0000-\u001f\u007f-\u009f]*$"


def _text(longest: int, about: str) -> dict[str, Any]:
    return {"type": ["string", "null"], "maxLength": longest, "pattern": _CLEAN, "description": about}


def _needed(longest: int) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "maxLength": longest, "pattern": _CLEAN}


NEW_EVENT: Final[dict[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["type", "data"],
    "properties": {
        "type": _TYPE,
        "data": {"description": "Any JSON, at most 256 KiB. It is delivered as it is, digit by digit."},
        "id": _text(
            256, "Your own id: the same source and id within 24 hours are the same event, taken once."
        ),
        "source": _text(512, "Where it comes from."),
        "subject": _text(256, "What it is about, such as an order's id; deliveries can be ordered by it."),
        "time": {"anyOf": [_TIME, {"type": "null"}], "description": "When it happened, with an offset."},
        "consumer": _text(128, "con_ id or uid of whom it is for: then no other consumer gets it."),
        "channels": {
            "anyOf": [
                {
                    "type": "array",
                    "maxItems": 16,
                    "items": {"type": "string", "pattern": "^[A-Za-z0-9_.:-]{1,64}$"},
                },
                {"type": "null"},
            ]
        },
        "idempotency_key": _text(255, "As the header Idempotency-Key, and before it."),
    },
}
NEW_EVENTS: Final[dict[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["events"],
    "properties": {
        "events": {
            "type": "array",
            "minItems": 1,
            "maxItems": 1000,
            "items": {"$ref": "#/components/schemas/NewEvent"},
        }
    },
}
CLOUD_EVENT: Final[dict[str, Any]] = {
    "type": "object",
    "description": "CloudEvents 1.0 in JSON. `trunklineconsumer` is whom it is for; further attributes are passed on.",
    "required": ["specversion", "id", "source", "type"],
    "properties": {
        "specversion": {"const": "1.0", "type": "string"},
        "id": _needed(256),
        "source": _needed(512),
        "type": _TYPE,
        "subject": _text(256, "What it is about."),
        "time": {"anyOf": [_TIME, {"type": "null"}]},
        "datacontenttype": {"type": ["string", "null"], "description": "JSON is all that can be delivered."},
        "dataschema": {"type": ["string", "null"], "maxLength": 1024, "pattern": "^[!-~]*$"},
        "data": {},
        "trunklineconsumer": _text(128, "con_ id or uid of whom it is for."),
        "traceparent": {"type": ["string", "null"], "description": "W3C trace context, if no header has it."},
    },
    "additionalProperties": {
        "type": ["string", "boolean", "integer", "null"],
        "maxLength": 1024,
        "pattern": "^[ -~]*$",
    },
    "propertyNames": {"maxLength": 64},
}
ACCEPTED: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["id"],
    "properties": {"id": {"type": "string", "description": "The event's evt_ id."}},
}
ITEM: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["status"],
    "properties": {
        "status": {"type": "integer", "description": "202, or that of the problem."},
        "id": {"type": "string", "description": "Of one that was taken."},
        "replayed": {"type": "boolean", "description": "It had been taken before."},
        "error": {"$ref": "#/components/schemas/Problem"},
    },
}
ACCEPTED_EVENTS: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["accepted", "refused", "events"],
    "properties": {
        "accepted": {"type": "integer"},
        "refused": {"type": "integer"},
        "events": {
            "type": "array",
            "description": "One for each event, in the order of the request.",
            "items": {"$ref": "#/components/schemas/EventAnswer"},
        },
    },
}
SCHEMAS: Final = {
    "NewEvent": NEW_EVENT,
    "NewEvents": NEW_EVENTS,
    "CloudEvent": CLOUD_EVENT,
    "AcceptedEvent": ACCEPTED,
    "EventAnswer": ITEM,
    "AcceptedEvents": ACCEPTED_EVENTS,
}


_IDEMPOTENCY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
    "description": "Sent again within 24 hours with the same body, the request gets the first answer.",
}
_TRACE: Final = {
    "name": "traceparent",
    "in": "header",
    "schema": {"type": "string"},
    "description": "W3C trace context; it is handed on with each delivery.",
}


def add(document: dict[str, Any], *, headers: dict[str, Any]) -> None:
    """Put the two operations and their schemas into the document. `headers`: those of every problem."""
    document["components"]["schemas"].update(SCHEMAS)
    document["paths"].setdefault(EVENTS, {})["post"] = _operation(
        id="events_create",
        summary="Take an event in",
        description="Answered when it is on disk. Takes CloudEvents 1.0 too, in JSON or with attributes in `ce-` headers.",
        bodies=_json("NewEvent") | {"application/cloudevents+json": _ref("CloudEvent")},
        answer=_json("AcceptedEvent"),
        refused={},
        headers=headers,
    )
    cloud_events = {"type": "array", "minItems": 1, "maxItems": 1000, "items": _ref("CloudEvent")["schema"]}
    document["paths"].setdefault(BATCH, {})["post"] = _operation(
        id="events_create_batch",
        summary="Take many events in",
        description="At most 1,000 events and 8 MiB. Each is answered on its own, so that one that is refused doesn't hold up"
        " the others; 202 if at least one was taken, else 422.",
        bodies=_json("NewEvents") | {"application/cloudevents-batch+json": {"schema": cloud_events}},
        answer=_json("AcceptedEvents"),
        refused=_json("AcceptedEvents"),
        headers=headers,
    )


def _operation(
    *,
    id: str,
    summary: str,
    description: str,
    bodies: dict[str, Any],
    answer: dict[str, Any],
    refused: dict[str, Any],
    headers: dict[str, Any],
) -> dict[str, Any]:
    rates = {
        "RateLimit-Policy": {"schema": {"type": "string"}, "description": "The key's rate."},
        "RateLimit": {"schema": {"type": "string"}, "description": "What is left of it."},
    }
    responses = {"202": {"description": "In the log.", "headers": rates, "content": answer}}
    for status in _PROBLEMS:
        wait = {"Retry-After": {"schema": {"type": "string"}}} if status in ("429", "503") else {}
        more = refused if status == "422" else {}
        responses[status] = {
            "description": "See the problem's code.",
            "headers": headers | wait,
            "content": {"application/problem+json": _ref("Problem")} | more,
        }
    return {
        "operationId": id,
        "summary": summary,
        "description": f"{description}\n\nScope: `events:write`.",
        "tags": ["api"],
        "security": [{"apiKey": []}],
        "parameters": [_IDEMPOTENCY, _TRACE],
        "requestBody": {"required": True, "content": bodies},
        "responses": responses,
    }


def _ref(name: str) -> dict[str, Any]:
    return {"schema": {"$ref": f"#/components/schemas/{name}"}}


def _json(name: str) -> dict[str, Any]:
    return {"application/json": _ref(name)}
