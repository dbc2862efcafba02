"""What answers a search from the database: deliveries or events of a scope, page by page. It reads only, and only the scope's."""

from __future__ import annotations

from datetime import datetime
from hashlib import blake2b
from typing import Final

from hub.core.clock import utcnow
from hub.delivery.selectors import Delivery, add_due
from hub.eventlog.selectors import Event
from hub.insights import finding_deliveries as drivers
from hub.insights.finding_content import body_test, header_test, looks_into_bodies
from hub.insights.finding_log import windows
from hub.insights.finding_names import names
from hub.insights.finding_pace import pace
from hub.insights.finding_page import Batch, Found, Position, Search, moment_of, page
from hub.insights.finding_reach import Reach
from hub.insights.search import Query, render
from hub.insights.search_plan import OF_ATTEMPTS, OF_EVENTS, By, Plan, plain, plan_deliveries, plan_events
from hub.tenants.scoping import Scope

_EVENTS_AT_ONCE: Final = 500


def deliveries(*, scope: Scope, query: Query, position: Position | None, limit: int) -> Found[Delivery]:
    """One page of the deliveries that answer to all terms. `position`: what the page before gave as its next."""
    query = plain(query)
    search = _search(scope, query, plan_deliveries(query, bound=scope.consumer_id is not None))
    plan, reach = search.plan, Reach(scope, query, search.names)
    if plan.by is By.nothing or reach.nobody:
        return Found([], None, None, plan.order)
    tests = [header_test(query)]
    if plan.by in OF_EVENTS:
        batches, place = drivers.by_events(search, reach, position=position, limit=limit), drivers.at_event
    else:
        # By events, bodies are looked into before the deliveries of an event are put together.
        tests.insert(0, body_test(query))
        if plan.by in OF_ATTEMPTS:
            batches, place = drivers.by_attempts(search, reach, position=position), drivers.at_attempt
        else:
            batches, place = drivers.by_targets(search, reach, position=position, limit=limit), drivers.at_key
    found = page(search, batches, tests=[test for test in tests if test], limit=limit, place=place)
    add_due([row for row in found.rows if row.due is None and row.last is not None and not row.last.finish])
    return found


def events(*, scope: Scope, query: Query, position: Position | None, limit: int) -> Found[Event]:
    """One page of the events that answer to all terms, newest first. The terms are such as search_events.py lets through."""
    query = plain(query, events=True)
    search = _search(scope, query, plan_events(query, bound=scope.consumer_id is not None))
    if search.plan.by is By.nothing:
        return Found([], None, None, search.plan.order)
    before = None if position is None else bytes.fromhex(position[0])
    many = _EVENTS_AT_ONCE if looks_into_bodies(query) else limit + 1
    found = (
        Batch(
            window.events,
            None if window.next is None else [window.next.hex()],
            None if window.next is None else moment_of(window.next),
        )
        for window in windows(search, before=before, limit=many, addressed=True)
    )
    return page(search, found, tests=[], limit=limit, place=_place)


def name_of(query: Query) -> str:
    """What tells one search from another, so that a position of one is never used in another."""
    return blake2b(render(query).encode(), digest_size=16).hexdigest()


def _search(scope: Scope, query: Query, plan: Plan) -> Search:
    content = looks_into_bodies(query) or bool(query.paths)
    return Search(utcnow(), scope, query, plan, names(scope, query), pace(content=content))


def _place(event: Event) -> tuple[Position, datetime]:
    return [event.id.hex()], moment_of(event.id)
