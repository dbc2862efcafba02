"""Deliveries in every state, and how tests read lists of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hub.core import ids
from hub.core.jsonbytes import dumps, loads
from hub.delivery.outcome import Reason
from hub.delivery.selectors import Delivery
from hub.delivery.states import State
from hub.insights import finding
from hub.insights.search import Query
from hub.insights.search_terms import Moment, Op, Term, Value
from hub.subscriptions import services
from hub.subscriptions.models import Subscription
from hub.tenants.scoping import Scope
from tests.cast import Cast
from tests.eventlog import rows

NOW = datetime.now(UTC)
NEW = {"url": "https://hooks.example.com/", "patterns": ["order.*"]}


def subscribe(scope: Scope, **more: object) -> Subscription:
    consumer = more.pop("consumer", None)
    return services.create(
        scope=scope, fields={**NEW, **more}, **({"consumer": consumer} if consumer else {})
    )[0]


def bound(cast: Cast) -> Scope:
    scope = cast.alice.scope
    return Scope(scope.tenant_id, scope.environment_id, cast.acme.id, "key", "key_1", scope.scopes)


def asked(
    *, states: frozenset[State] | None = None, subscription: str | None = None, consumer: str | None = None,
    event: bytes | None = None, type: str | None = None, since: datetime | None = None, until: datetime | None = None,
) -> Query:  # fmt: skip
    """The search that narrows a list to these."""
    terms = []
    for key, value in (("sub", subscription), ("consumer", consumer)):
        terms += [] if value is None else [Term(key, (Value(Op.eq, value),))]
    if event is not None:
        terms.append(Term("id", (Value(Op.eq, ids.encode("evt", event)),)))
    if states is not None:
        terms.append(Term("status", tuple(Value(Op.eq, state) for state in sorted(states))))
    if type is not None:
        terms.append(Term("type", (Value(Op.glob if "*" in type else Op.eq, type),)))
    for key, moment, op in (("since", since, Op.ge), ("before", until, Op.lt)):
        terms += [] if moment is None else [Term(key, (Value(op, Moment(moment)),))]
    return Query(tuple(terms))


def listed(scope: Scope, *, limit: int = 50, **what: Any) -> list[Delivery]:
    """All of it, page by page."""
    return found_by(scope, asked(**what), limit=limit)


def found_by(scope: Scope, query: Query, *, limit: int = 50) -> list[Delivery]:
    """What answers to a search, page by page, each in the order that it says."""
    found: list[Delivery] = []
    position = None
    for _ in range(500):
        page = finding.deliveries(scope=scope, query=query, position=position, limit=limit)
        assert len(page.rows) <= limit
        found += page.rows
        if page.next is None:
            return found
        # As a cursor carries it.
        position = loads(dumps(page.next))
    raise AssertionError("the pages have no end")


def ids_of(found: list[Delivery]) -> list[str]:
    return [delivery.id for delivery in found]


def states(*names: str) -> frozenset[State]:
    return frozenset(State(name) for name in names)


class Scene:
    """Two subscriptions of the environment and one of Acme's, with a delivery in every state. Events e0 (oldest) to e7."""

    def __init__(self, cast: Cast) -> None:
        live, self.cast, scope = cast.alice.live, cast, cast.alice.scope
        self.a, self.b = subscribe(scope), subscribe(scope, ordering="subject")
        self.acme = subscribe(scope, consumer="acme")
        Subscription.objects.update(created_at=NOW - timedelta(days=5))
        ages = (23, 20, 5, 4, 3, 2, 1, 0)
        self.e = [
            rows.event(
                live, at=NOW - timedelta(hours=age), consumer=cast.acme if number in (2, 6) else None,
                type="order.paid" if number % 2 else "order.created",
            )
            for number, age in enumerate(ages)
        ]  # fmt: skip
        e, a, b, acme = self.e, self.a, self.b, self.acme
        rows.delivered(a, e[0])
        rows.attempt(a, e[1])
        rows.dead(a, e[1], n=2)
        rows.due(a, e[1], attempts=0, run=5, in_s=-1)
        rows.attempt(a, e[2], finish=3, reason=Reason.cancelled, http=0)
        rows.attempt(a, e[3], n=1)
        rows.attempt(a, e[3], n=2)
        rows.due(a, e[3], attempts=2)
        rows.parcel(a, [e[4]])
        rows.parcel(a, [e[5], e[7]])
        rows.delivered(a, e[5])
        rows.attempt(b, e[4], finish=4, reason=Reason.expired, http=0)
        rows.due(b, e[5], attempts=0, held=True)
        rows.dead(b, e[7], reason=Reason.http_410, http=410)
        rows.dead(acme, e[2])
        rows.parcel(acme, [e[6]])

    def all(self) -> list[tuple[str, str]]:
        """(id, state), the newest event first, then the newest subscription, then the latest run."""
        e, a, b, acme = self.e, self.a, self.b, self.acme
        return [
            (e[7].delivery(b), "dead"),
            (e[7].delivery(a), "waiting"),
            (e[6].delivery(acme), "waiting"),
            (e[5].delivery(b), "held"),
            (e[5].delivery(a), "delivered"),
            (e[4].delivery(b), "expired"),
            (e[4].delivery(a), "waiting"),
            (e[3].delivery(a), "retrying"),
            (e[2].delivery(acme), "dead"),
            (e[2].delivery(a), "cancelled"),
            (e[1].delivery(a, 5), "waiting"),
            (e[1].delivery(a), "dead"),
            (e[0].delivery(a), "delivered"),
        ]
