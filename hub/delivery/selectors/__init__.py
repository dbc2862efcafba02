"""Deliveries as a scope may read them, put together from their facts. Reads only, and never another's."""

from hub.delivery.selectors.attempts import Attempt, attempts, captured, header_lines
from hub.delivery.selectors.by_event import of_events
from hub.delivery.selectors.facts import TOP, Delivery, Key
from hub.delivery.selectors.gathering import Range, add_due, gather
from hub.delivery.selectors.one import delivery, of_event
from hub.delivery.selectors.targets import Pool, Target, pool, target, targets

__all__ = (
    "TOP",
    "Attempt",
    "Delivery",
    "Key",
    "Pool",
    "Range",
    "Target",
    "add_due",
    "attempts",
    "captured",
    "delivery",
    "gather",
    "header_lines",
    "of_event",
    "of_events",
    "pool",
    "target",
    "targets",
)
