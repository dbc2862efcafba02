"""A verified delivery, and how its body is read. Nothing here is to be trusted before the signature was checked."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from trunkline_consumer.errors import MalformedBody

__all__ = ["Delivery", "read"]


@dataclass(frozen=True)
class Delivery:
    """One event for one subscription, as it came in one request.

    `attempt` and `run` come from headers that no signature covers: good for logs, not for decisions.
    """

    id: str
    """`webhook-id`: the same on every try and in every run. Remember this one."""
    timestamp: int
    """When this try was sent, in seconds since 1970."""
    event: str
    """The event's own id, `evt_…`: the same for every subscription."""
    type: str
    occurred: str
    """When it happened or was accepted, RFC 3339."""
    data: Any
    subject: str | None
    source: str | None
    attempt: int
    """1 for the first try, and where the header is missing."""
    run: int
    """0, or the number of the run that a requeue began."""
    body: bytes = field(repr=False)
    """As it was signed."""


def read(body: bytes, *, id: str, timestamp: int, attempt: int, run: int) -> Delivery:
    """Raises MalformedBody."""
    try:
        found = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise MalformedBody("the body is not JSON") from None
    if not isinstance(found, dict) or "data" not in found:
        raise MalformedBody("the body is no object with the member data")
    for name in ("id", "type", "timestamp"):
        if not isinstance(found.get(name), str):
            raise MalformedBody(f"the body's member {name} is no text")
    for name in ("subject", "source"):
        if not isinstance(found.get(name), (str, type(None))):
            raise MalformedBody(f"the body's member {name} is no text")
    return Delivery(
        id=id, timestamp=timestamp, event=found["id"], type=found["type"], occurred=found["timestamp"],
        data=found["data"], subject=found.get("subject"), source=found.get("source"),
        attempt=attempt, run=run, body=body,
    )  # fmt: skip
