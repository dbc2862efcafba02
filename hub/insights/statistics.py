"""Statistics of what a scope may see, read from cells. It never looks at a fact, so that a month costs no more than an hour."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from hub.eventlog.selectors import Conditions, fetch
from hub.insights.cells import Grain, Kind, Shape
from hub.insights.figures import Figures, Point, figures, floor, moments
from hub.insights.folds import DELIVERIES, EVENTS
from hub.tenants.scoping import Scope

Order = Literal["attempts", "failures", "dead", "bytes_sent"]
ORDERS: Final[tuple[Order, ...]] = ("attempts", "failures", "dead", "bytes_sent")
_SUMS: Final = DELIVERIES.sums[:10]


@dataclass(frozen=True, slots=True)
class Of:
    """Whose statistics: `ref` is a consumer's or subscription's number, or a type; "" for the environment."""

    kind: Kind
    ref: str = ""


@dataclass(slots=True)
class Series:
    """`points` has one for each minute, hour or day, also where nothing happened."""

    grain: Grain
    total: Figures
    points: list[Point]


@dataclass(frozen=True, slots=True)
class Rank:
    """A consumer, subscription or type, and what it counts by column."""

    ref: str
    counts: dict[str, int]


def series(*, scope: Scope, of: Of, since: datetime, until: datetime, grain: Grain) -> Series:
    """From the minute, hour or day of `since` to that before `until`. Raises figures.TooManyPoints.

    What `of` names must have come through the scope; a consumer's key has statistics of its own alone.
    """
    beginnings = moments(since, until, grain)
    if scope.consumer_id is not None and of.kind in (Kind.environment, Kind.type):
        scope.whole_environment()
    deliveries = _rows(DELIVERIES, scope, of, grain, beginnings)
    events = [] if of.kind is Kind.subscription else _rows(EVENTS, scope, of, grain, beginnings)
    by_moment: dict[datetime, tuple[list[Any], list[Any]]] = defaultdict(lambda: ([], []))
    for side, rows in enumerate((deliveries, events)):
        for row in rows:
            by_moment[row["at"]][side].append(row)
    points = [Point(at, figures(*by_moment.get(at, ((), ())))) for at in beginnings]
    return Series(grain, figures(deliveries, events), points)


def top(
    *, scope: Scope, kind: Kind, since: datetime, until: datetime, order: Order, limit: int
) -> list[Rank]:
    """The consumers, subscriptions or types with the most of `order`, by cells as coarse as the time allows."""
    scope.whole_environment()
    grain = Grain.hour if (until - since).total_seconds() <= 8 * 86_400 else Grain.day
    sums = ", ".join(f"sum({name})::int8 AS {name}" for name in _SUMS)
    rows = fetch(
        f"""SELECT ref, {sums} FROM insight_deliveries WHERE env = %s AND kind = %s AND grain = %s AND at >= %s AND at < %s
            GROUP BY ref HAVING sum({order}) > 0 ORDER BY sum({order}) DESC, ref LIMIT %s""",
        [scope.environment_id, kind, grain, floor(since, grain), until, limit],
    )
    return [Rank(row[0], dict(zip(_SUMS, row[1:], strict=True))) for row in rows]


def names(*, scope: Scope, kind: Kind, refs: Sequence[str]) -> dict[str, str]:
    """The public id of each consumer's or subscription's number; a type is its own name."""
    if kind is Kind.type or not refs:
        return {ref: ref for ref in refs}
    table, column = (
        ("tenants_consumer", "public_id") if kind is Kind.consumer else ("subscriptions_subscription", "uid")
    )
    rows = fetch(
        f"SELECT id, {column} FROM {table} WHERE environment_id = %s AND id = ANY(%s)",
        [scope.environment_id, [int(ref) for ref in refs]],
    )
    return {str(number): name for number, name in rows}


def _rows(
    shape: Shape, scope: Scope, of: Of, grain: Grain, beginnings: Sequence[datetime]
) -> list[dict[str, Any]]:
    where = Conditions()
    where.add("env = %s AND kind = %s AND ref = %s", scope.environment_id, of.kind, of.ref)
    where.add("grain = %s AND at >= %s AND at <= %s", grain, beginnings[0], beginnings[-1])
    names = ("at", *shape.columns)
    rows = fetch(f"SELECT {', '.join(names)} FROM {shape.table} WHERE {where}", where.values)
    return [dict(zip(names, map(_plain, row), strict=True)) for row in rows]


def _plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value
