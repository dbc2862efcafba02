"""Lists of deliveries: by their events, the newest first; or, for ended ones of a whole environment, by when they ended.

Which order a list has follows from what is asked for, never from what is found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from hub.core import ids
from hub.delivery.selectors import ended
from hub.delivery.selectors.facts import TOP, Delivery, Key
from hub.delivery.selectors.gathering import Range, gather
from hub.delivery.selectors.targets import Target, target, targets
from hub.delivery.states import FINAL, OPEN, State
from hub.eventlog import selectors as eventlog
from hub.eventlog.selectors import Event, Filters, Page
from hub.subscriptions.patterns import matches
from hub.tenants.scoping import Scope

AT_ONCE: Final = 500
ROUNDS: Final = 20
_WITH_A_ROW: Final = frozenset((State.retrying, State.held))


@dataclass(frozen=True, slots=True)
class Asked:
    """What a list is narrowed to. `since` (inclusive) and `until` are milliseconds since 1970, of what orders the list."""

    states: frozenset[State] | None = None
    subscription: str | None = None
    consumer: int | None = None
    event: bytes | None = None
    type: str | None = None
    since: int | None = None
    until: int | None = None

    def order(self, scope: Scope) -> str:
        """By which of four ways the list is read; positions of one mean nothing in another."""
        if self.event is not None:
            return "event"
        if self.subscription is not None or self.consumer is not None or scope.consumer_id is not None:
            return "targets"
        if self.states is not None and self.states <= OPEN:
            return "targets"
        return "ended" if self.states is not None and self.states <= FINAL else "log"


def deliveries(
    *, scope: Scope, asked: Asked, position: Sequence[Any] | None, limit: int
) -> Page[Delivery, Sequence[Any]]:
    """One page. `position` is what the page before gave as its next."""
    order = asked.order(scope)
    if order == "ended":
        return _ended(scope, asked, position, limit)
    if order == "log":
        return _by_log(scope, asked, position, limit)
    below: Key = TOP if position is None else (position[0], position[1], position[2])
    if order == "event":
        assert asked.event is not None
        event = eventlog.event(scope=scope, id=asked.event, data=False)
        within = Range(event.seq, event.seq, event.day, event.day)
        found = _reach(scope, asked, of=[event])
    else:
        low, high = eventlog.seqs_around(scope=scope, since=asked.since, until=asked.until)
        within = Range(low or 0, TOP[0] if high is None else high, *_days(asked))
        found = _reach(scope, asked, live=asked.states is not None and asked.states <= OPEN)
    page = _fill(found, within, below, limit, asked)
    return Page(page.rows, page.next)


def _reach(scope: Scope, asked: Asked, *, of: list[Event] | None = None, live: bool = False) -> list[Target]:
    if asked.subscription is not None:
        one = target(scope, uid=asked.subscription)
        return [one] if asked.consumer in (None, one.consumer_number) else []
    return targets(scope, consumer=asked.consumer, of=of, live=live)


def _days(asked: Asked) -> tuple[Any, Any]:
    day = eventlog.DAY
    return (
        None if asked.since is None else eventlog.day_of(asked.since) - day,
        None if asked.until is None else eventlog.day_of(asked.until) + day,
    )


def _fill(
    found: Sequence[Target], within: Range, below: Key, limit: int, asked: Asked
) -> Page[Delivery, Key]:
    """Gather until the page is full, the range is at its end, or enough was looked at."""
    rows: list[Delivery] = []
    looked, states = 0, asked.states
    for _ in range(ROUNDS):
        chunk, stop = gather(
            targets=found,
            within=within,
            below=below,
            limit=limit + 1 if states is None and asked.type is None else AT_ONCE,
            # Of finished deliveries there are far more than of others, and of waiting ones there may be.
            tried=states is None or not states <= OPEN,
            waiting=states is None or not states <= _WITH_A_ROW,
        )
        rows += with_events(
            [d for d in chunk if states is None or d.state in states], lambda event: _fits(event, asked)
        )
        if len(rows) > limit:
            return Page(rows[:limit], rows[limit - 1].key)
        if stop is None:
            return Page(rows, None)
        looked, below = looked + len(chunk), stop
        if looked >= eventlog.SCAN:
            break
    return Page(rows, below)


def _fits(event: Event, asked: Asked) -> bool:
    ms = ids.uuid7_ms(event.id)
    return (
        (asked.type is None or matches(asked.type, event.type))
        and (asked.since is None or ms >= asked.since)
        and (asked.until is None or ms < asked.until)
    )


def with_events(found: Iterable[Delivery], wanted: Callable[[Event], bool]) -> list[Delivery]:
    """Those whose event is still kept and wanted, with it filled in."""
    found = list(found)
    events = eventlog.by_offset({(d.src, d.seq, d.day) for d in found})
    rows = []
    for delivery in found:
        event = events.get((delivery.src, delivery.seq))
        if event is not None and wanted(event):
            delivery.event = event
            rows.append(delivery)
    return rows


def _by_log(
    scope: Scope, asked: Asked, position: Sequence[Any] | None, limit: int
) -> Page[Delivery, Sequence[Any]]:
    filters = Filters(type=asked.type, since=asked.since, until=asked.until)
    asked = replace(asked, type=None, since=None, until=None)
    rows: list[Delivery] = []
    before, below = None, TOP
    if position is not None:
        # The events are read again from the first of their page on.
        before = _next(bytes.fromhex(position[0]))
        below = (position[1], position[2], position[3])
    for _ in range(ROUNDS):
        page = eventlog.events(scope=scope, filters=filters, before=before, limit=limit + 1)
        if page.rows:
            events = page.rows
            top = events[0].id.hex()
            seqs, days = [event.seq for event in events], [event.day for event in events]
            within = Range(min(seqs), max(seqs), min(days), max(days), seqs)
            found = _fill(targets(scope, of=events), within, below, limit - len(rows), asked)
            rows += found.rows
            if found.next is not None:
                return Page(rows, [top, *found.next])
        if page.next is None:
            return Page(rows, None)
        before, below = page.next, TOP
        if len(rows) == limit:
            break
    assert before is not None
    return Page(rows, [_before(before).hex(), *TOP])


def _next(id: bytes) -> bytes:
    return (int.from_bytes(id, "big") + 1).to_bytes(16, "big")


def _before(id: bytes) -> bytes:
    return (int.from_bytes(id, "big") - 1).to_bytes(16, "big")


def _ended(
    scope: Scope, asked: Asked, position: Sequence[Any] | None, limit: int
) -> Page[Delivery, Sequence[Any]]:
    assert asked.states is not None
    page = ended.ended(
        scope=scope, states=asked.states, type=asked.type, since=asked.since, until=asked.until,
        below=position, limit=limit,
    )  # fmt: skip
    return Page(with_events(page.rows, lambda event: True), page.next)
