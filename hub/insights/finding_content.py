"""Bodies and headers of what columns have let through, looked into in portions of bounded size, never all at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias, TypeVar

from hub.delivery.selectors import Delivery, captured, header_lines
from hub.eventlog.lists import data_of
from hub.eventlog.selectors import Event
from hub.insights.finding_pace import Pace
from hub.insights.search import Query
from hub.insights.search_match import body_matcher, headers_match

PORTION_BYTES: Final = 4 * 1024 * 1024
PORTION_ROWS: Final = 500

Row = TypeVar("Row", Event, Delivery)
Content: TypeAlias = Callable[[Sequence[Event] | Sequence[Delivery]], list[bool]]
"""Which of some rows answer."""


def looks_into_bodies(query: Query) -> bool:
    return bool(query.texts) or any(term.key == "body" for term in query.paths)


def body_test(query: Query) -> Content | None:
    """Of terms about bodies and free text; None if there are none. A body is the data of the event, whole."""
    if not looks_into_bodies(query):
        return None
    matches = body_matcher(query.terms)

    def test(rows: Sequence[Event] | Sequence[Delivery]) -> list[bool]:
        data = data_of(list({event.key: event for event in map(event_of, rows)}.values()))
        found = {key: matches(body) for key, body in data.items()}
        return [found.get(event_of(row).key, False) for row in rows]

    return test


def header_test(query: Query) -> Content | None:
    """Of terms about headers: one attempt of which request and answer were captured has to answer to all of them.

    A delivery of which nothing was captured is never found, by a negated term neither: nothing is known of its headers.
    """
    terms = [term for term in query.paths if term.key == "header"]
    if not terms:
        return None

    def test(rows: Sequence[Event] | Sequence[Delivery]) -> list[bool]:
        deliveries = [row for row in rows if isinstance(row, Delivery)]
        kept = captured(deliveries)
        return [
            any(
                headers_match(terms, [*header_lines(request), *header_lines(answer)])
                for request, answer in kept.get(delivery.key, ())
            )
            for delivery in deliveries
        ]

    return test


def judged(rows: Sequence[Row], tests: Sequence[Content], *, pace: Pace) -> Iterator[tuple[Row, bool]]:
    """Each row in its order, and whether it passes every test. Ends early when time is over, after one portion at least."""
    for portion in _portions(rows):
        passed = {id(row) for row in portion}
        for test in tests:
            left = [row for row in portion if id(row) in passed]
            passed = {id(row) for row, answer in zip(left, test(left), strict=True) if answer}
        for row in portion:
            yield row, id(row) in passed
        if pace.over():
            return


def event_of(row: Event | Delivery) -> Event:
    """The event that is a row, or that a delivery has been given."""
    if isinstance(row, Event):
        return row
    assert row.event is not None
    return row.event


def _portions(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Of at most PORTION_ROWS, and of PORTION_BYTES of data or one row."""
    portion: list[Row] = []
    total = 0
    for row in rows:
        size = event_of(row).size
        if portion and (len(portion) == PORTION_ROWS or total + size > PORTION_BYTES):
            yield portion
            portion, total = [], 0
        portion.append(row)
        total += size
    if portion:
        yield portion
