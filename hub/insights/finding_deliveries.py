"""Candidates for a search of deliveries, batch by batch, in the order of the driver: by events, subscriptions or attempts."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Final

from hub.core import ids
from hub.delivery.selectors import TOP, Delivery, Key, Range, gather, of_events, tried
from hub.delivery.selectors.tried import Index
from hub.delivery.states import State
from hub.eventlog import selectors as eventlog
from hub.eventlog.selectors import Event
from hub.insights import search_meaning as meaning
from hub.insights.finding_content import looks_into_bodies
from hub.insights.finding_log import windows
from hub.insights.finding_pace import larger
from hub.insights.finding_page import Batch, Position, Search, moment_of
from hub.insights.finding_reach import Reach
from hub.insights.finding_where import attempt_conditions, event_conditions
from hub.insights.search_fit import DELIVERY_KEYS, EVENT_KEYS, Fit, Traits, fit_of
from hub.insights.search_plan import By
from hub.insights.search_terms import ID

AT_ONCE: Final = 500
EVENTS_AT_ONCE: Final = 100
MOST_AT_ONCE: Final = 1_000
"""Deliveries of several events; if there are more, they are read of fewer events at a time."""
MOST_SIDE_BY_SIDE: Final = 100
"""Subscriptions whose failures are looked up one by one."""
FEWEST: Final = 64
_INDEXES: Final = {
    By.ended: tried.ENDED,
    By.dead: tried.DEAD,
    By.repeated: tried.REPEATED,
    By.slow: tried.SLOW,
    By.failed: tried.FAILED,
    By.tried: tried.EVERY,
}


def by_events(
    search: Search, reach: Reach, *, position: Position | None, limit: int
) -> Iterator[Batch[Delivery]]:
    """The newest event first, of one event the newest subscription, then the latest run."""
    fits = _test(search, (*DELIVERY_KEYS, ID))
    narrow = any(term.key in DELIVERY_KEYS for term in search.query.terms)
    before, begun = None, None
    if position is not None:
        before = bytes.fromhex(position[0])
        if len(position) > 1:
            # The event that the page before ended in is read again.
            begun = before, (position[1], position[2])
            before = (int.from_bytes(before, "big") + 1).to_bytes(16, "big")
    many = AT_ONCE if looks_into_bodies(search.query) else EVENTS_AT_ONCE if narrow else limit + 1
    some = EVENTS_AT_ONCE
    for window in windows(search, before=before, limit=many, addressed=False):
        left = window.events
        while left:
            chunk = left[:some]
            below = begun[1] if begun is not None and begun[0] == chunk[0].id else TOP[1:]
            batches = _of_some(search, reach, chunk, fits, below=below)
            if batches is None and len(chunk) > 1:
                some = max(1, len(chunk) // 4)
                continue
            left = left[len(chunk) :]
            for batch in batches or _of_one(search, reach, chunk[0], fits, below=below):
                ended = not left and window.next is None and batch.stop == [chunk[-1].id.hex()]
                yield Batch(batch.rows, None, None) if ended else batch
        if window.next is not None:
            yield Batch([], [window.next.hex()], moment_of(window.next))


def by_targets(
    search: Search, reach: Reach, *, position: Position | None, limit: int
) -> Iterator[Batch[Delivery]]:
    """By the offsets of their events, the highest first, then as above."""
    plan = search.plan
    pool = reach.pool(live=plan.by is By.open)
    low, high = eventlog.seqs_around(scope=search.scope, since=plan.since_ms, until=plan.before_ms)
    first = None if plan.since_ms is None else eventlog.day_of(plan.since_ms) - eventlog.DAY
    last = _newest(search) if plan.before_ms is None else eventlog.day_of(plan.before_ms) + eventlog.DAY
    within = Range(low or 0, TOP[0] if high is None else high, first, last)
    early, late = _test(search, DELIVERY_KEYS), _test(search, (*EVENT_KEYS, ID))
    below: Key = TOP if position is None else (position[0], position[1], position[2])
    narrow, tried_all = len(search.query.terms) > 1, meaning.tried(search.query.terms)
    some = limit + 1
    while True:
        begun = time.monotonic()
        chunk, stop = gather(
            pool=pool,
            resolve=reach.of,
            within=within,
            below=below,
            limit=some,
            states=plan.states,
            tried=tried_all,
        )
        rows = with_events([row for row in chunk if early(traits_of(row))])
        rows = [row for row in rows if late(traits_of(row)) and _in_time(search, row)]
        if stop is None:
            yield Batch(rows, None, None)
            return
        if narrow:
            some = min(larger(some, took_s=time.monotonic() - begun), AT_ONCE)
        lowest = with_events(chunk[-1:])
        reached = moment_of(_event_id(lowest[0])) if lowest else _before(search, stop[0])
        yield Batch(rows, list(stop), reached)
        below = stop


def _before(search: Search, seq: int) -> datetime:
    """When the newest event was accepted that has not been reached, where what was reached had none itself."""
    found = eventlog.below(scope=search.scope, seq=seq)
    return moment_of(found) if found is not None else search.plan.since or datetime.fromtimestamp(0, UTC)


def by_attempts(search: Search, reach: Reach, *, position: Position | None) -> Iterator[Batch[Delivery]]:
    """By their last attempts, the latest first."""
    terms, plan = search.query.terms, search.plan
    rest, event = attempt_conditions(terms, search.names, states=plan.states), event_conditions(terms)
    numbers = reach.numbers() if reach.named else []
    if reach.named:
        rest.add("a.sub = ANY(%s)", numbers)
    indexes = _indexes(search, reach, numbers)
    side_by_side = sum(max(len(index.values), 1) for index in indexes)
    fits = _test(search, (*DELIVERY_KEYS, *EVENT_KEYS, ID))
    below = None if position is None else (datetime.fromisoformat(position[0]), position[1], position[2])
    captured, size = any(term.key == "header" for term in terms), search.pace.first
    while True:
        begun = time.monotonic()
        found, stop = tried.walk(
            scope=search.scope, indexes=indexes, rest=rest, event=event, since=plan.since, before=plan.before,
            below=below, window=max(FEWEST, size // side_by_side), newest=_newest(search), captured=captured,
        )  # fmt: skip
        took_s = time.monotonic() - begun
        by_number = reach.of({row.sub for row in found})
        rows = [
            Delivery(by_number[row.sub], row.seq, row.run, row.src, row.day, last=row.last)
            for row in found
            if row.sub in by_number
        ]
        rows = [row for row in with_events(rows) if fits(traits_of(row))]
        if stop is None:
            yield Batch(rows, None, None)
            return
        yield Batch(rows, [stop[0].isoformat(), stop[1], stop[2]], stop[0])
        below, size = stop, larger(size, took_s=took_s)


def at_event(row: Delivery) -> tuple[Position, datetime]:
    """Where a page goes on behind a row of by_events, and the row's moment."""
    return [_event_id(row).hex(), row.target.id, row.run], moment_of(_event_id(row))


def at_key(row: Delivery) -> tuple[Position, datetime]:
    """The same for by_targets."""
    return list(row.key), moment_of(_event_id(row))


def at_attempt(row: Delivery) -> tuple[Position, datetime]:
    """The same for by_attempts."""
    assert row.last is not None
    return [row.last.at.isoformat(), row.target.id, row.last.pos], row.last.at


def traits_of(delivery: Delivery) -> Traits:
    """What a delivery shows; without its event, the event's part is empty."""
    event, target, last = delivery.event, delivery.target, delivery.last
    return Traits(
        event.id if event else b"", event.type if event else "", event.subject if event else None,
        target.consumer_number, target.consumer, target.id, target.uid, delivery.run, delivery.state,
        last.http if last else 0, delivery.reason, delivery.attempts, last.total_us if last else None,
    )  # fmt: skip


def with_events(found: Iterable[Delivery]) -> list[Delivery]:
    """Those whose event is still kept, with it filled in."""
    found = list(found)
    events = eventlog.by_offset({(row.src, row.seq, row.day) for row in found})
    for row in found:
        row.event = events.get((row.src, row.seq))
    return [row for row in found if row.event is not None]


def _test(search: Search, keys: Iterable[str]) -> Fit:
    return fit_of(search.query.terms, search.names, keys=keys)


def _of_some(
    search: Search, reach: Reach, events: Sequence[Event], fits: Fit, *, below: tuple[int, int]
) -> list[Batch[Delivery]] | None:
    """All deliveries of events that are looked up together; of the first, those below a subscription and run.

    None if they are too many.
    """
    found = of_events(
        pool=reach.pool(of=events), resolve=reach.of, events=events, states=search.plan.states,
        tried=meaning.tried(search.query.terms), most=MOST_AT_ONCE,
    )  # fmt: skip
    if found is None:
        return None
    first, rank = events[0].key, {event.key: number for number, event in enumerate(events)}
    rows = [row for row in found if (row.src, row.seq) != first or (row.target.id, row.run) < below]
    rows = [row for row in rows if fits(traits_of(row))]
    rows.sort(key=lambda row: (rank[row.src, row.seq], -row.target.id, -row.run))
    last = events[-1].id
    return [Batch(rows, [last.hex()], moment_of(last))]


def _of_one(
    search: Search, reach: Reach, event: Event, fits: Fit, *, below: tuple[int, int]
) -> Iterator[Batch[Delivery]]:
    """The same of an event that many subscriptions got, piece by piece."""
    within, pool = Range(event.seq, event.seq, event.day, event.day), reach.pool(of=[event])
    key: Key = (event.seq, *below)
    while True:
        found, stop = gather(
            pool=pool, resolve=reach.of, within=within, below=key, limit=AT_ONCE, states=search.plan.states,
            tried=meaning.tried(search.query.terms),
        )  # fmt: skip
        rows = [row for row in found if (row.src, row.seq) == event.key]
        for row in rows:
            row.event = event
        rows = [row for row in rows if fits(traits_of(row))]
        place = [event.id.hex()] if stop is None else [event.id.hex(), stop[1], stop[2]]
        yield Batch(rows, place, moment_of(event.id))
        if stop is None:
            return
        key = stop


def _indexes(search: Search, reach: Reach, numbers: Sequence[int]) -> list[Index]:
    by, states = search.plan.by, search.plan.states
    if by is By.reasons:
        reasons = [int(reason) for reason in search.plan.values]
        found = [Index(tried.FAILED.where, "reason", reasons)] if reasons else []
        if meaning.cut_off(search.query.terms):
            # No attempt may come from both.
            found.append(Index(f"{tried.CUT_OFF} AND a.reason <> ALL ('{{{','.join(map(str, reasons))}}}')"))
        return found
    if by is By.failed_of:
        if len(numbers) > MOST_SIDE_BY_SIDE and search.scope.consumer_id is None:
            return [tried.FAILED]
        return [Index(tried.FAILED.where, "sub", numbers)]
    if by is By.ended and State.cancelled in states:
        deleted = reach.deleted(most=MOST_SIDE_BY_SIDE + 1)
        if len(deleted) > MOST_SIDE_BY_SIDE:
            return [tried.FAILED]
        return [tried.ENDED, *([Index(tried.CUT_SHORT, "sub", deleted)] if deleted else [])]
    return [_INDEXES[by]]


def _newest(search: Search) -> date:
    """The last day that an event may be of by now."""
    return search.now.date() + eventlog.DAY


def _in_time(search: Search, row: Delivery) -> bool:
    since, before, ms = search.plan.since_ms, search.plan.before_ms, ids.uuid7_ms(_event_id(row))
    return (since is None or ms >= since) and (before is None or ms < before)


def _event_id(row: Delivery) -> bytes:
    assert row.event is not None
    return row.event.id
