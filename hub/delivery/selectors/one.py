"""One delivery, and how those of one event stand."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Final

from hub.core import ids
from hub.delivery.breaker import Phase
from hub.delivery.selectors.facts import TOP, Delivery
from hub.delivery.selectors.gathering import Range, gather
from hub.delivery.selectors.targets import Target, pool, target, targets
from hub.delivery.states import OPEN, State
from hub.eventlog import selectors as eventlog
from hub.eventlog.selectors import Event, fetch
from hub.subscriptions.patterns import matches
from hub.tenants import refusals
from hub.tenants.scoping import Scope

MOST_COUNTED: Final = 1000
_LARGEST = 2**31 - 1


def delivery(*, scope: Scope, id: str) -> Delivery:
    """By its dlv_ id, with its event; or a 404."""
    try:
        event_id, number, run = ids.parse_delivery_id(id)
    except ids.BadId:
        raise refusals.not_found("delivery") from None
    if number > _LARGEST or run >= _LARGEST:
        raise refusals.not_found("delivery")
    reached = target(scope, numbers=[number])
    event = eventlog.event(scope=scope, id=event_id, data=False)
    found, _ = gather(
        pool=pool(scope, numbers=[number]), resolve=lambda _: {number: reached}, within=Range(event.seq, event.seq, event.day, event.day),
        below=(event.seq, number, run + 1), limit=1,
    )  # fmt: skip
    one = next((d for d in found if d.run == run), None)
    if one is None and run == 0 and _waited_at_its_end(reached, event):
        one = Delivery(reached, event.seq, 0, event.shard, event.day)
    if one is None:
        raise refusals.not_found("delivery")
    one.event = event
    if one.state in OPEN:
        one.breaker_until = _breaker_until(number)
    return one


def of_event(*, scope: Scope, event: Event) -> tuple[Counter[State], bool]:
    """How many of its deliveries are in each state, counted up to MOST_COUNTED; and whether there are more."""
    within = Range(event.seq, event.seq, event.day, event.day)
    found, stop = gather(
        pool=pool(scope, of=[event]), resolve=lambda numbers: {t.id: t for t in targets(scope, numbers=numbers)},
        within=within, below=TOP, limit=MOST_COUNTED + 1,
    )  # fmt: skip
    return Counter(d.state for d in found[:MOST_COUNTED]), len(found) > MOST_COUNTED or stop is not None


def _breaker_until(subscription: int) -> datetime | None:
    """When the circuit breaker lets a probe through, if it is open by its last recorded change."""
    found = fetch(
        "SELECT state, until FROM breaker_fact WHERE sub = %s ORDER BY id DESC LIMIT 1", [subscription]
    )
    return found[0][1] if found and found[0][0] == Phase.open else None


def _waited_at_its_end(target: Target, event: Event) -> bool:
    """Would it have waited when its subscription was deleted? Of those no row is left, only how many there were."""
    return (
        target.deleted_at is not None
        and target.created_at <= event.created_at <= target.deleted_at
        and target.consumer_number in (None, event.consumer)
        and any(matches(pattern, event.type) for pattern in target.patterns)
        and (not target.channels or not set(target.channels).isdisjoint(event.channels or ()))
    )
