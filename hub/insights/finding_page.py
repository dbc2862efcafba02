"""One page of a search: candidates come in batches, are judged by what they hold, and the page ends when it is full or time
is over. It says where to go on and how far it looked; it reads no row itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeAlias

from hub.core import ids
from hub.insights.finding_content import Content, Row, judged
from hub.insights.finding_pace import Pace
from hub.insights.search import Query
from hub.insights.search_fit import Names
from hub.insights.search_plan import Order, Plan
from hub.tenants.scoping import Scope

Position: TypeAlias = Sequence[Any]
"""Where a page begins, as JSON; it means something to the same search alone."""


@dataclass(frozen=True, slots=True)
class Search:
    """What is asked for, by whom and when, how it is found, and what that may cost."""

    now: datetime
    scope: Scope
    query: Query
    plan: Plan
    names: Names
    pace: Pace


@dataclass(frozen=True, slots=True)
class Batch(Generic[Row]):
    """Candidates that columns have let through, in the list's order. `stop`: where to go on behind them, None at the end;
    `reached`: the moment down to which was looked.
    """

    rows: list[Row]
    stop: Position | None
    reached: datetime | None


@dataclass(frozen=True, slots=True)
class Found(Generic[Row]):
    """`next` None: there are no more. Else `searched_to` says how far it was looked, in terms of `order`; the page may be
    short, or empty.
    """

    rows: list[Row]
    next: Position | None
    searched_to: datetime | None
    order: Order


def moment_of(id: bytes) -> datetime:
    """When the event with this id was accepted, to the millisecond."""
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=ids.uuid7_ms(id))


def page(
    search: Search,
    batches: Iterable[Batch[Row]],
    *,
    tests: Sequence[Content],
    limit: int,
    place: Callable[[Row], tuple[Position, datetime]],
) -> Found[Row]:
    """At most `limit` rows. `place`: the position behind a row, and its moment."""
    rows: list[Row] = []
    order, reached = search.plan.order, None
    for batch in batches:
        reached = batch.reached or reached
        last = None
        for last, fits in judged(batch.rows, tests, pace=search.pace):
            if fits and len(rows) == limit:
                return Found(rows, *place(rows[-1]), order)
            rows += [last] if fits else []
        if last is not None and last is not batch.rows[-1]:
            return Found(rows, *place(last), order)
        if batch.stop is None:
            break
        if len(rows) == limit or search.pace.over():
            return Found(rows, batch.stop, reached, order)
    return Found(rows, None, None, order)
