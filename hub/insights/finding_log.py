"""Events of a scope that answer to a search, newest first, window by window. What it doesn't find it has looked at."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from hub.eventlog import lists
from hub.eventlog.lists import Walk
from hub.eventlog.selectors import Event
from hub.insights.finding_content import body_test, judged
from hub.insights.finding_pace import larger
from hub.insights.finding_page import Search
from hub.insights.finding_where import event_conditions
from hub.insights.search_fit import Traits, fit_of
from hub.insights.search_plan import By, few
from hub.insights.search_terms import Term
from hub.subscriptions.patterns import matches

MOST_VALUES: Final = 50
"""Of one column that are looked up side by side; more are looked for among all rows."""
_MOST_TYPES: Final = 300
_IN_VAIN: Final = 2


@dataclass(frozen=True, slots=True)
class Window:
    """Events that answer, down to the id `next`, below which the next window begins; None: nothing is left."""

    events: list[Event]
    next: bytes | None


def windows(search: Search, *, before: bytes | None, limit: int, addressed: bool) -> Iterator[Window]:
    """Of at most `limit` events each, to the end; the caller stops when it has enough, or time is over.

    `addressed`: terms of consumers speak of whom an event is addressed to, and not of who owns a subscription.
    """
    query, pace = search.query, search.pace
    fits = fit_of(
        query.terms, search.names, keys=("type", "subject", *(("consumer", "id") if addressed else ()))
    )
    content = body_test(query)
    walk, size, in_vain = _walk(search, addressed=addressed), pace.first, 0
    while True:
        window = max(size // max(len(walk.values), 1), limit) if walk.rest.parts else limit
        begun = time.monotonic()
        page = lists.events(scope=search.scope, walk=walk, before=before, limit=limit, window=window)
        took_s = time.monotonic() - begun
        rows, before = [event for event in page.rows if fits(traits_of(event))], page.next
        if content is not None and rows:
            last = rows[-1]
            answers = list(judged(rows, [content], pace=pace))
            rows = [event for event, answer in answers if answer]
            if answers[-1][0] is not last:
                before = answers[-1][0].id
        yield Window(rows, before)
        if before is None:
            return
        if len(page.rows) < limit:
            size, in_vain = larger(size, took_s=took_s), in_vain + 1
            if in_vain == _IN_VAIN and search.plan.by is By.type and not walk.column:
                walk = _by_type(search, walk)


def traits_of(event: Event) -> Traits:
    """What an event alone shows."""
    return Traits(event.id, event.type, event.subject, event.consumer, event.consumer_id)


def _walk(search: Search, *, addressed: bool) -> Walk:
    plan, names = search.plan, search.names
    column, values = _index(search)
    if len(values) > MOST_VALUES:
        column, values = "", []

    def is_answered(term: Term) -> bool:
        """Does the index give nothing but what answers to it?"""
        if term.negated or term.key != column:
            return False
        own = names.consumers[term] if column == "consumer" else {value.value for value in term.values}
        return own == set(values)

    terms = [term for term in search.query.terms if not is_answered(term)]
    rest = event_conditions(terms, names if addressed else None)
    return Walk(column, values, rest, plan.since_ms, plan.before_ms)


def _index(search: Search) -> tuple[str, list[Any]]:
    """The column to go by, and its values."""
    plan = search.plan
    match plan.by:
        case By.ids:
            return "id", [UUID(bytes=id) for id in plan.values]
        case By.subject:
            return "subject", list(plan.values)
        case By.consumer if search.scope.consumer_id is not None:
            return "consumer", [search.scope.consumer_id]
        case By.consumer:
            found = [numbers for term, numbers in search.names.consumers.items() if few(term)]
            fewest: frozenset[int] = min(found, key=len)
            return "consumer", sorted(fewest)
        case By.type if not any(value.endswith("*") for value in plan.values):
            return "type", list(plan.values)
    return "", []


def _by_type(search: Search, walk: Walk) -> Walk:
    """What a pattern asks for is rare, it seems: look up one by one the types that there are of it."""
    there = lists.types_of(scope=search.scope, walk=walk, most=_MOST_TYPES)
    wanted = [type for type in there if any(matches(pattern, type) for pattern in search.plan.values)]
    if len(there) == _MOST_TYPES or len(wanted) > MOST_VALUES:
        return walk
    return Walk("type", wanted, walk.rest, walk.since, walk.until)
