"""Which way a search is answered: one driver that gives candidates in one order, chosen by what is asked and never by
what there is. It reads nothing; whatever a driver gives is judged by all terms (search_fit.py).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from hub.core import ids
from hub.delivery.states import OPEN, State
from hub.insights import search_meaning as meaning
from hub.insights.search import Query
from hub.insights.search_terms import ID, Op, Term

_MOST_REASONS: Final = 8
_OF_AN_EVENT: Final = frozenset({"evt", "dlv", "msg"})
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class By(StrEnum):
    """The drivers, those that are preferred first."""

    nothing = "nothing"
    ids = "ids"
    subject = "subject"
    open = "open"
    ended = "ended"
    dead = "dead"
    reasons = "reasons"
    failed_of = "failed of subscriptions"
    repeated = "repeated"
    slow = "slow"
    failed = "failed"
    tried = "tried"
    targets = "subscriptions"
    consumer = "consumer"
    type = "type"
    log = "log"


OF_EVENTS: Final = frozenset({By.ids, By.subject, By.consumer, By.type, By.log})
"""They read the log, and what they find belongs to those events."""
OF_ATTEMPTS: Final = frozenset(
    {By.ended, By.dead, By.reasons, By.failed_of, By.repeated, By.slow, By.failed, By.tried}
)


class Order(StrEnum):
    """What a list is sorted by, the latest first, and `since` and `before` are compared with: a member of its rows."""

    accepted = "accepted_at"
    tried = "at"


@dataclass(frozen=True, slots=True)
class Plan:
    """`values`: what the driver looks up: ids of events (16 bytes), subjects, reasons, types or patterns.
    `terms` of consumers are looked up by who reads. `states`: those that may be found.
    """

    by: By
    order: Order
    states: frozenset[State] = frozenset()
    values: tuple[Any, ...] = ()
    since: datetime | None = None
    before: datetime | None = None

    @property
    def since_ms(self) -> int | None:
        return None if self.since is None else _ms(self.since)

    @property
    def before_ms(self) -> int | None:
        return None if self.before is None else _ms(self.before)


def plan_deliveries(query: Query, *, bound: bool) -> Plan:
    """How deliveries are found, of a plain query. `bound`: for one consumer, who may be told nothing of others' rows."""
    terms, found = query.terms, meaning.states(query.terms)

    def plan(by: By, *values: Any) -> Plan:
        order = Order.tried if by in OF_ATTEMPTS else Order.accepted
        return Plan(by, order, found, values, query.since, query.before)

    if not found or _is_empty(query):
        return plan(By.nothing)
    if (events := _events(query)) is not None:
        return plan(By.ids if events else By.nothing, *events)
    if subjects := _whole_values(terms, "subject"):
        return plan(By.subject, *subjects)
    # An index of declared paths joins here, once there is one: a term such as body.customer.id:42 then gives the ids of
    # events, newest first, as a subject does.
    if found <= OPEN:
        return plan(By.open)
    named = bound or any(map(few, terms))
    if (found <= meaning.TRIED or meaning.tried(terms)) and (by := _attempts(query, found, named, bound)):
        return plan(by, *sorted(meaning.reasons(terms) or ()) if by is By.reasons else ())
    if named:
        return plan(By.targets)
    if types := _types(terms):
        return plan(By.type, *types)
    return plan(By.log)


def plan_events(query: Query, *, bound: bool) -> Plan:
    """How events are found, of a plain query."""
    terms = query.terms

    def plan(by: By, *values: Any) -> Plan:
        return Plan(by, Order.accepted, frozenset(), values, query.since, query.before)

    if _is_empty(query):
        return plan(By.nothing)
    if (events := _events(query)) is not None:
        return plan(By.ids if events else By.nothing, *events)
    if subjects := _whole_values(terms, "subject"):
        return plan(By.subject, *subjects)
    # As above: here joins an index of declared paths.
    if bound or any(few(term) and term.key == "consumer" for term in terms):
        return plan(By.consumer)
    if types := _types(terms):
        return plan(By.type, *types)
    return plan(By.log)


def plain(query: Query, *, events: bool = False) -> Query:
    """The same question with ids of subscriptions and consumers as terms of those; for `events`, with ids of deliveries and
    messages as those of their events.
    """
    return Query(tuple(dict.fromkeys(_plain(term, events=events) for term in query.terms)))


def few(term: Term) -> bool:
    """Does it name subscriptions, or consumers?"""
    return (
        not term.negated
        and term.key in ("sub", "consumer")
        and all(value.op in (Op.eq, Op.prefix) for value in term.values)
    )


def _plain(term: Term, *, events: bool) -> Term:
    if term.key != ID:
        return term
    kinds = {_kind(value.value) for value in term.values}
    if kinds == {"con"}:
        return replace(term, key="consumer")
    if kinds == {"sub"}:
        return replace(term, key="sub")
    if not events:
        return term
    values = (
        replace(value, value=ids.encode("evt", _event(str(value.value))))
        if _kind(value.value) in _OF_AN_EVENT
        else value
        for value in term.values
    )
    return replace(term, values=tuple(dict.fromkeys(values)))


def _attempts(query: Query, found: frozenset[State], named: bool, bound: bool) -> By | None:
    """The narrowest index of attempts; None where those of the named subscriptions are fewer."""
    terms = query.terms
    failed = found <= meaning.FAILED or meaning.failed(terms)
    if named and failed:
        return By.failed_of
    if bound:
        return None
    if not named:
        if found <= {State.cancelled, State.expired, State.expunged, State.handed_over}:
            return By.ended
        if found == {State.dead}:
            return By.dead
    reasons = meaning.reasons(terms)
    if reasons is not None and len(reasons) <= _MOST_REASONS:
        return By.reasons
    if meaning.repeated(terms):
        return By.repeated
    if meaning.slow(terms):
        return By.slow
    if failed:
        return By.failed
    return None if named else By.tried


def _is_empty(query: Query) -> bool:
    return query.since is not None and query.before is not None and query.since >= query.before


def _events(query: Query) -> list[bytes] | None:
    """Ids of the events that are asked for, if a term names some."""
    named: set[bytes] | None = None
    for term in query.ids:
        if not term.negated and all(_kind(value.value) in _OF_AN_EVENT for value in term.values):
            own = {_event(str(value.value)) for value in term.values}
            named = own if named is None else named & own
    return None if named is None else sorted(named)


def _event(text: str) -> bytes:
    kind = _kind(text)
    if kind == "evt":
        return ids.decode(kind, text)
    return ids.parse_delivery_id(text)[0] if kind == "dlv" else ids.parse_message_id(text)[0]


def _kind(text: object) -> str:
    return str(text).partition("_")[0]


def _whole_values(terms: tuple[Term, ...], key: str) -> list[Any]:
    """The values of a term that takes nothing but whole values; [] if there is none such."""
    for term in terms:
        if term.key == key and not term.negated and all(value.op is Op.eq for value in term.values):
            return [value.value for value in term.values]
    return []


def _types(terms: tuple[Term, ...]) -> list[str]:
    """Types or patterns of a term that takes no `*`."""
    for term in terms:
        if term.key == "type" and not term.negated and all(value.value != "*" for value in term.values):
            return [str(value.value) for value in term.values]
    return []


def _ms(moment: datetime) -> int:
    # In whole numbers: a float may round up at the end of a millisecond.
    return (moment - _EPOCH) // timedelta(milliseconds=1)
