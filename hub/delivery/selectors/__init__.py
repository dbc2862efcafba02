"""Deliveries as a scope may read them, put together from their facts. Reads only, and never another's."""

from hub.delivery.selectors.attempts import Attempt, attempts
from hub.delivery.selectors.facts import Delivery
from hub.delivery.selectors.lists import Asked, deliveries
from hub.delivery.selectors.one import delivery, of_event
from hub.delivery.selectors.targets import Target, target, targets

__all__ = (
    "Asked",
    "Attempt",
    "Delivery",
    "Target",
    "attempts",
    "deliveries",
    "delivery",
    "of_event",
    "target",
    "targets",
)
