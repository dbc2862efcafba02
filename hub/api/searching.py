"""Lists that are searched: the parameter, other parameters as terms of the same search, and the answer. It finds nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Protocol

from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from hub.api import moments, pagination
from hub.api.schema import page_of
from hub.insights.finding import name_of
from hub.insights.finding_page import Found, Position
from hub.insights.search import Query
from hub.insights.search_plan import Order
from hub.insights.search_terms import Moment, Op, Term, Value
from hub.insights.search_words import MAX_LENGTH, BadSearch
from hub.tenants.scoping import Scope


def parameter(example: str) -> OpenApiParameter:
    """`search` of a list."""
    text = f"Terms that all have to hold, such as `{example}`; other parameters apply as well."
    return OpenApiParameter("search", {"type": "string", "maxLength": MAX_LENGTH}, description=text)


def answer_of(item: type[serializers.Serializer[Any]]) -> type[serializers.Serializer[Any]]:
    """The shape of the answer."""
    return page_of(
        item,
        order=serializers.ChoiceField(
            [str(order) for order in Order],
            help_text="The member by which the list is sorted, the latest first; since and until are compared with it.",
        ),
        searched_to=serializers.DateTimeField(
            allow_null=True,
            help_text="Where there is more: the moment down to which was looked. A page may be short, or empty, and yet go on.",
        ),
    )


class Parse(Protocol):
    def __call__(self, text: str, *, now: datetime) -> Query: ...


def asked(request: Request, parse: Parse, *, more: Iterable[Term], now: datetime) -> Query:
    """The search, with `since`, `until` and `more` terms that other parameters stand for."""
    text = request.query_params.get("search", "")
    try:
        query = parse(text, now=now)
    except BadSearch as error:
        meant = {} if error.suggestion is None else {"suggestion": error.suggestion}
        raise pagination.bad_parameter(
            "search", str(error), start=error.start, end=error.end, **meant
        ) from None
    times = [
        *_moment(request, "since", "since", Op.ge, now),
        *_moment(request, "until", "before", Op.lt, now),
    ]
    return Query(tuple(dict.fromkeys((*query.terms, *more, *times))))


def equal(key: str, *values: Any) -> Term:
    """The term that one of these values has to be there."""
    return Term(key, tuple(Value(Op.eq, value) for value in values))


def of_type(pattern: str) -> Term:
    """The term for a type, or a pattern of types."""
    return Term("type", (Value(Op.glob if "*" in pattern else Op.eq, pattern),))


class Find(Protocol):
    def __call__(
        self, *, scope: Scope, query: Query, position: Position | None, limit: int
    ) -> Found[Any]: ...


def answer(
    request: Request, query: Query, *, find: Find, name: str, scope: Scope, show: Callable[[Any], Any]
) -> Response:
    """One page; its cursor opens for the same list, scope and search only."""
    name = f"{name}:{name_of(query)}"
    position = pagination.open_cursor(request, name=name, scope=scope)
    found = find(scope=scope, query=query, position=position, limit=pagination.limit_of(request))
    response = pagination.answer([show(row) for row in found.rows], found.next, name=name, scope=scope)
    response.data |= {"order": str(found.order), "searched_to": found.searched_to}
    return response


def _moment(request: Request, name: str, key: str, op: Op, now: datetime) -> list[Term]:
    at = moments.asked(request, name, now=now)
    if at is None:
        return []
    text = request.query_params[name]
    return [Term(key, (Value(op, Moment(at, text if moments.is_relative(text) else "")),))]
