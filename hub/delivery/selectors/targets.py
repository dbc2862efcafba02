"""Subscriptions as the other half of a delivery: deleted ones too, since what went to them stays readable."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from hub.eventlog.selectors import Conditions, Event, fetch
from hub.tenants import refusals
from hub.tenants.scoping import Scope

AT_MOST: Final = 10_000
_FROM: Final = "subscriptions_subscription s JOIN tenants_environment e ON e.id = s.environment_id"


@dataclass(frozen=True, slots=True)
class Target:
    """A subscription's numbers and names. `consumer` is its con_ id, `consumer_number` the row's."""

    id: int
    uid: str
    shard: int
    consumer: str | None
    consumer_number: int | None
    created_at: datetime
    deleted_at: datetime | None
    patterns: list[str]
    channels: list[str]


@dataclass(frozen=True, slots=True)
class Pool:
    """Subscriptions as a relation of (id, shard) inside of a statement, so that many need not be carried about: SQL and values."""

    sql: str
    values: list[Any]


def targets(
    scope: Scope,
    *,
    uid: str | None = None,
    numbers: Collection[int] | None = None,
    consumers: Collection[int] | None = None,
    live: bool = False,
    of: Sequence[Event] | None = None,
) -> list[Target]:
    """Those the scope can reach, newest first, at most AT_MOST.

    `consumers`: of these alone. `live`: none that is deleted. `of`: that may have got one of these events.
    """
    where = _where(scope, numbers=numbers, consumers=consumers, live=live, of=of)
    if uid is not None:
        where.add("s.uid = %s", uid)
    rows = fetch(
        f"""SELECT s.id, s.uid, s.shard, c.public_id, s.consumer_id, s.created_at, s.deleted_at, s.patterns, s.channels
            FROM {_FROM} LEFT JOIN tenants_consumer c ON c.id = s.consumer_id
            WHERE {where} ORDER BY s.id DESC LIMIT {AT_MOST}""",
        where.values,
    )
    return [Target(*row) for row in rows]


def pool(
    scope: Scope,
    *,
    numbers: Collection[int] | None = None,
    consumers: Collection[int] | None = None,
    live: bool = False,
    of: Sequence[Event] | None = None,
) -> Pool:
    """The same as a relation, however many they are."""
    where = _where(scope, numbers=numbers, consumers=consumers, live=live, of=of)
    return Pool(f"SELECT s.id, s.shard FROM {_FROM} WHERE {where}", where.values)


def target(scope: Scope, **by: Any) -> Target:
    """One of them, by `uid` or `numbers`, or a 404."""
    found = targets(scope, **by)
    if not found:
        raise refusals.not_found("subscription")
    return found[0]


def _where(
    scope: Scope, *, numbers: Collection[int] | None, consumers: Collection[int] | None, live: bool,
    of: Sequence[Event] | None,
) -> Conditions:  # fmt: skip
    where = Conditions()
    where.add("e.tenant_id = %s AND s.environment_id = %s", scope.tenant_id, scope.environment_id)
    if scope.consumer_id is not None:
        where.add("s.consumer_id = %s", scope.consumer_id)
    if numbers is not None:
        where.add("s.id = ANY(%s)", list(numbers))
    if consumers is not None:
        where.add("s.consumer_id = ANY(%s)", list(consumers))
    if live:
        where.add("s.deleted_at IS NULL")
    if of is not None:
        where.add("(s.deleted_at IS NULL OR s.deleted_at >= %s)", min(event.created_at for event in of))
        known = {event.consumer for event in of if event.consumer is not None}
        where.add("(s.consumer_id IS NULL OR s.consumer_id = ANY(%s))", sorted(known))
    return where
