"""What a replay's search becomes when it is frozen. Pure: the clock is an argument."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from hub.insights.search import Query, parse
from hub.insights.search_terms import Term

MOST_RATE: Final = 50_000
DEFAULT_RATE: Final = 500
# What has no end yet is not sent again: it goes by itself, and can be retried at once.
_ENDED: Final = "status:delivered,dead,cancelled,expired"


def frozen(text: str, *, at: datetime, events: bool) -> Query:
    """The search as of a moment: relative times count from it, and nothing younger is found. Raises BadSearch."""
    query = parse(text, now=at)
    if query.before is None or query.before > at:
        query = query.plus(_term(f"before:{at.astimezone(UTC).isoformat().replace('+00:00', 'Z')}", at))
    return query if events else query.plus(_term(_ENDED, at))


def of_subscription(query: Query, uid: str, *, at: datetime) -> Query:
    """Of it what is for one subscription."""
    return query.plus(_term(f"sub:{uid}", at))


def _term(text: str, at: datetime) -> Term:
    return parse(text, now=at).terms[0]
