"""Whom the texts of a search name: subscriptions by id or name, consumers by id or uid, as far as the scope reaches.

Deleted ones too, since what went to them stays readable. It never says whether a stranger's exists.
"""

from __future__ import annotations

from collections.abc import Callable

from hub.eventlog.selectors import Conditions, fetch
from hub.insights.search import Query
from hub.insights.search_fit import Names
from hub.insights.search_terms import Op, Term
from hub.tenants.scoping import Scope


def names(scope: Scope, query: Query) -> Names:
    """The numbers behind every sub and consumer term."""
    return Names(
        subs={term: _subscriptions(scope, term) for term in query.terms if term.key == "sub"},
        consumers={term: _consumers(scope, term) for term in query.terms if term.key == "consumer"},
    )


def _subscriptions(scope: Scope, term: Term) -> frozenset[int]:
    texts = [str(value.value) for value in term.values]
    where = Conditions()
    where.add("s.environment_id = %s AND e.tenant_id = %s", scope.environment_id, scope.tenant_id)
    where.add("(s.uid = ANY(%s) OR s.name = ANY(%s))", texts, [text for text in texts if text])
    if scope.consumer_id is not None:
        where.add("s.consumer_id = %s", scope.consumer_id)
    return _numbers(
        "SELECT s.id FROM subscriptions_subscription s JOIN tenants_environment e ON e.id = s.environment_id",
        where,
    )


def _consumers(scope: Scope, term: Term) -> frozenset[int]:
    if any(value.op is Op.exists for value in term.values):
        return frozenset()

    def texts(wanted: Callable[[Op], bool]) -> list[str]:
        return [str(value.value) for value in term.values if wanted(value.op)]

    exact = texts(lambda op: op is Op.eq)
    where = Conditions()
    where.add("c.environment_id = %s AND e.tenant_id = %s", scope.environment_id, scope.tenant_id)
    where.add(
        "(c.uid = ANY(%s) OR c.public_id = ANY(%s) OR EXISTS (SELECT FROM unnest(%s::text[]) b WHERE starts_with(c.uid, b)))",
        exact,
        exact,
        texts(lambda op: op is Op.prefix),
    )
    if scope.consumer_id is not None:
        where.add("c.id = %s", scope.consumer_id)
    return _numbers(
        "SELECT c.id FROM tenants_consumer c JOIN tenants_environment e ON e.id = c.environment_id", where
    )


def _numbers(source: str, where: Conditions) -> frozenset[int]:
    return frozenset(row[0] for row in fetch(f"{source} WHERE {where}", where.values))
