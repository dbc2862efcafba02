"""A search of events: the same language without the words that only deliveries have. It reads nothing."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from hub.insights.search import Query, parse
from hub.insights.search_terms import ID
from hub.insights.search_words import words

_DELIVERIES_ALONE: Final = frozenset({"status", "sub", "code", "attempt", "latency", "header"})


def parse_for_events(text: str, *, now: datetime) -> Query:
    """As `parse`; BadSearch also for what only a search of deliveries answers."""
    query = parse(text, now=now)
    for word in words(text):
        (term,) = parse(text[word.start : word.end], now=now).terms
        if term.key in _DELIVERIES_ALONE:
            raise word.refuse(f"{term.key} is said of deliveries, and an event may have many; search those")
        if term.key == ID and any(str(value.value).startswith("sub_") for value in term.values):
            raise word.refuse("a subscription has deliveries and no events of its own; search those")
    return query
