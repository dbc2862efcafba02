"""The terms of a search as SQL, as far as rows of events or attempts can tell: what it leaves out can't be meant.

It may let through more than is meant; search_fit.py judges what is left. Values never become part of the text.
"""

from __future__ import annotations

from collections.abc import Iterable

from hub.delivery.outcome import Reason
from hub.delivery.states import FINAL, WORDS, State
from hub.eventlog.selectors import Conditions, of_type
from hub.insights.search_fit import Names
from hub.insights.search_meaning import span
from hub.insights.search_terms import Op, Term, Value


def event_conditions(terms: Iterable[Term], names: Names | None = None) -> Conditions:
    """On `e`, a row of the log: types, subjects and, with `names`, to whom it is addressed."""
    where = Conditions()
    for term in terms:
        either = Conditions()
        if term.key == "type":
            for value in term.values:
                of_type(either, str(value.value))
        elif term.key == "subject":
            _texts(either, "e.subject", term.values)
        elif term.key == "consumer" and names is not None:
            if any(value.op is Op.exists for value in term.values):
                either.add("e.consumer IS NOT NULL")
            else:
                either.add("e.consumer = ANY(%s)", sorted(names.consumers[term]))
        if either.parts:
            _either(where, either, negated=term.negated)
    return where


def attempt_conditions(terms: Iterable[Term], names: Names, *, states: frozenset[State]) -> Conditions:
    """On `a`, the last attempt of a delivery that is in one of `states`."""
    where = Conditions()
    if states < frozenset(State):
        ends = {WORDS[state].end for state in states & FINAL}
        # Of a deleted subscription what waited for a retry reads as cancelled.
        ends |= {0} if states & {State.retrying, State.cancelled} else set()
        where.add("a.finish = ANY(%s)", sorted(ends))
    for term in terms:
        either = Conditions()
        if term.key == "code":
            _code(either, term)
        elif term.key == "attempt":
            _spans(either, "a.n", term.values)
        elif term.key == "latency":
            _spans(either, "CASE WHEN a.digest IS NOT NULL THEN a.total_us END", term.values)
        elif term.key == "sub":
            either.add("a.sub = ANY(%s)", sorted(names.subs[term]))
        if either.parts:
            _either(where, either, negated=term.negated and term.key != "code")
    return where


def _either(where: Conditions, either: Conditions, *, negated: bool) -> None:
    # Without a value nothing is known, so that what is negated holds.
    where.add(
        f"{'NOT ' if negated else ''}coalesce({' OR '.join(f'({part})' for part in either.parts)}, false)",
        *either.values,
    )


def _texts(either: Conditions, column: str, values: Iterable[Value]) -> None:
    for value in values:
        if value.op is Op.exists:
            either.add(f"{column} IS NOT NULL")
        elif value.op is Op.prefix:
            either.add(f"starts_with({column}, %s)", value.value)
        else:
            either.add(f"{column} = %s", value.value)


def _spans(either: Conditions, column: str, values: Iterable[Value]) -> None:
    for value in values:
        either.add(f"{column} BETWEEN %s AND %s", *span(value))


def _code(either: Conditions, term: Term) -> None:
    reasons = [value.value for value in term.values if isinstance(value.value, Reason)]
    statuses = [value for value in term.values if not isinstance(value.value, Reason)]
    if not term.negated:
        either.add("a.reason = ANY(%s)", [int(reason) for reason in reasons])
        _spans(either, "nullif(a.http, 0)", statuses)
        if Reason.subscription_deleted in reasons:
            either.add("a.finish = 0")
        return
    # What was cut short shows another reason than its attempt has.
    apart = Conditions()
    apart.add("(a.finish = 0 OR a.reason <> ALL(%s))", [int(reason) for reason in reasons])
    for value in statuses:
        apart.add("(a.http = 0 OR a.http NOT BETWEEN %s AND %s)", *span(value))
    either.add(str(apart), *apart.values)
