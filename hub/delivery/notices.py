"""The hub's own events: what happened to a subscription or delivery, told in the log of its environment.

They never cause themselves: what happens to the delivery of a hub event makes no further one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hub.core import ids
from hub.core.jsonbytes import dumps
from hub.delivery.items import Event
from hub.eventlog.append import ORIGIN_HUB, NewEvent

DEAD = "hub.delivery.dead"
DISABLED = "hub.subscription.disabled"
BREAKER_OPENED = "hub.breaker.opened"
BREAKER_CLOSED = "hub.breaker.closed"
LAG_HIGH = "hub.lag.high"
TYPES = (DEAD, DISABLED, BREAKER_OPENED, BREAKER_CLOSED, LAG_HIGH)


@dataclass(frozen=True, slots=True)
class Notice:
    """One such event: where it belongs, and its data."""

    type: str
    env: int
    shard: int
    consumer: int | None
    subject: str
    data: dict[str, Any]
    depth: int = 1

    def event(self) -> NewEvent:
        return NewEvent(
            id=ids.uuid7(), env=self.env, shard=self.shard, consumer=self.consumer, type=self.type, source="trunkline",
            subject=self.subject, data=dumps(self.data), origin=ORIGIN_HUB, depth=self.depth,
        )  # fmt: skip


def may_cause(event: Event | None) -> bool:
    """Does what happens to this event's delivery become an event of its own?"""
    return event is None or event.origin != ORIGIN_HUB
