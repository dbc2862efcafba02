"""What the terms of a search imply for what is found: states, numbers, that it was tried or failed. It chooses nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from hub.delivery.outcome import Reason, classify
from hub.delivery.states import FINAL, State
from hub.insights.search_terms import Op, Term, Value

SLOW_US: Final = 250_000
"""From here on an index knows the slow attempts; the migration that makes it says the same number."""
TRIED: Final = FINAL | {State.retrying}
"""Their deliveries have an attempt, or an end that is kept as one."""
FAILED: Final = TRIED - {State.delivered, State.handed_over}
"""Their last attempt has another reason than `delivered`."""

_MOST: Final = 2**62
_HTTP: Final = range(100, 600)
CUT_OFF: Final = frozenset({Reason.tls_failed, Reason.read_timeout, Reason.reset, Reason.invalid_response})
"""What can go wrong after a status was read, so that the attempt has both. An index knows them; see SLOW_US."""


def span(value: Value) -> tuple[int, int]:
    """The whole numbers that a value of code, attempt or latency asks for: from, to, both included."""
    number = value.value
    if isinstance(number, Reason) or not isinstance(number, int):
        raise TypeError(f"{value} asks for no number")
    bounds = {
        Op.eq: (number, number),
        Op.gt: (number + 1, _MOST),
        Op.ge: (number, _MOST),
        Op.lt: (0, number - 1),
        Op.le: (0, number),
        Op.between: (number, value.upto),
    }
    return bounds[value.op]


def states(terms: Iterable[Term]) -> frozenset[State]:
    """Those that answer to every status term; all of them if there is none."""
    left = frozenset(State)
    for term in terms:
        if term.key == "status":
            named = frozenset(value.value for value in term.values if isinstance(value.value, State))
            left = left - named if term.negated else left & named
    return left


def tried(terms: Iterable[Term]) -> bool:
    """Has whatever is found surely an attempt?"""
    return any(
        # Of what was not captured nothing can be told, so it is not found by what its headers are not either.
        term.key == "header"
        or (
            not term.negated
            and (
                term.key in ("code", "latency")
                or (term.key == "attempt" and all(span(value)[0] > 0 for value in term.values))
            )
        )
        for term in terms
    )


def failed(terms: Iterable[Term]) -> bool:
    """Has the last attempt of whatever is found surely another reason than `delivered`?"""
    return any(
        term.key == "code" and not term.negated and all(map(_is_failure, term.values)) for term in terms
    )


def repeated(terms: Iterable[Term]) -> bool:
    """Was whatever is found surely tried more than once?"""
    return _above(terms, "attempt", 1)


def slow(terms: Iterable[Term]) -> bool:
    """Did the last attempt of whatever is found surely take longer than SLOW_US?"""
    return _above(terms, "latency", SLOW_US)


def reasons(terms: Iterable[Term]) -> frozenset[Reason] | None:
    """The few reasons of which the last attempt of whatever is found surely has one, as far as a term says so; or it was
    `cut_off` after it had a status.
    """
    asked = [
        frozenset(reason for value in term.values for reason in _reasons(value))
        for term in terms
        if _gives_reasons(term)
    ]
    return min(asked, key=len, default=None)


def cut_off(terms: Iterable[Term]) -> bool:
    """May what is found have ended with one of CUT_OFF after a status was read?"""
    return any(
        _gives_reasons(term) and any(not isinstance(value.value, Reason) for value in term.values)
        for term in terms
    )


def _gives_reasons(term: Term) -> bool:
    return (
        term.key == "code"
        and not term.negated
        and all(
            _is_failure(value) and value.value is not Reason.subscription_deleted for value in term.values
        )
    )


def _above(terms: Iterable[Term], key: str, bound: int) -> bool:
    return any(
        term.key == key and not term.negated and all(span(value)[0] > bound for value in term.values)
        for term in terms
    )


def _is_failure(value: Value) -> bool:
    if isinstance(value.value, Reason):
        return value.value is not Reason.delivered
    least, most = span(value)
    return most < 200 or least > 299


def _reasons(value: Value) -> frozenset[Reason]:
    if isinstance(value.value, Reason):
        return frozenset({value.value})
    least, most = span(value)
    statuses = range(max(least, _HTTP.start), min(most + 1, _HTTP.stop))
    return frozenset(classify(status=status, error="") for status in statuses)
