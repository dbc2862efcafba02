"""The subscriptions that a search of deliveries may speak of: the scope's, less what its terms leave out. Read when needed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from hub.delivery.selectors import Pool, Target, pool, targets
from hub.eventlog.selectors import Conditions, Event, fetch
from hub.insights.search import Query
from hub.insights.search_fit import Names
from hub.insights.search_plan import few
from hub.tenants.scoping import Scope


class Reach:
    """Of one page."""

    def __init__(self, scope: Scope, query: Query, names: Names) -> None:
        self._scope = scope
        self._numbers = _all_of(found for term, found in names.subs.items() if few(term))
        self._consumers = _all_of(found for term, found in names.consumers.items() if few(term))
        self._by_number: dict[int, Target | None] = {}

    @property
    def named(self) -> bool:
        """Are some meant, and not all there are?"""
        return self._numbers is not None or self._consumers is not None or self._scope.consumer_id is not None

    @property
    def nobody(self) -> bool:
        """Do its terms name none that the scope reaches?"""
        return not all(found is None or found for found in (self._numbers, self._consumers))

    def pool(self, *, of: Sequence[Event] | None = None, live: bool = False) -> Pool:
        """All of them. `of`: that may have got one of these; `live`: none that is deleted."""
        return pool(self._scope, numbers=self._numbers, consumers=self._consumers, live=live, of=of)

    def numbers(self) -> list[int]:
        """All of them, where few are named."""
        named = self.pool()
        return [row[0] for row in fetch(f"SELECT id FROM ({named.sql}) t ORDER BY id", named.values)]

    def of(self, numbers: Collection[int]) -> dict[int, Target]:
        """By number, those of them that the scope reaches."""
        if unknown := [number for number in numbers if number not in self._by_number]:
            self._by_number |= dict.fromkeys(unknown)
            self._by_number |= {target.id: target for target in targets(self._scope, numbers=unknown)}
        found = {number: self._by_number[number] for number in numbers}
        return {number: target for number, target in found.items() if target is not None}

    def deleted(self, *, most: int) -> list[int]:
        """Numbers of deleted subscriptions, some of them if there are too many."""
        where = Conditions()
        where.add("s.environment_id = %s AND s.deleted_at IS NOT NULL", self._scope.environment_id)
        sql = f"SELECT s.id FROM subscriptions_subscription s WHERE {where} LIMIT %s"
        return [row[0] for row in fetch(sql, [*where.values, most])]


def _all_of(sets: Iterable[frozenset[int]]) -> frozenset[int] | None:
    found = list(sets)
    return frozenset.intersection(*found) if found else None
