"""The one language to search the log in, for API, console and saved views: `status:dead since:24h "free text"`.

It never touches a row: a query is a value, and its text and its terms are the same thing in two forms.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hub.insights.search_keys import term_of
from hub.insights.search_terms import COLUMNS, ID, PATHS, TEXT, TIMES, Moment, Term
from hub.insights.search_words import MAX_LENGTH, MAX_WORDS, BadSearch, words


@dataclass(frozen=True, slots=True)
class Query:
    """Terms in the order they were written; what is found answers to all of them. No terms find everything."""

    terms: tuple[Term, ...] = ()

    @property
    def columns(self) -> tuple[Term, ...]:
        """Those that columns answer: status, type, sub, consumer, code, attempt, latency, subject."""
        return self._of(*COLUMNS)

    @property
    def paths(self) -> tuple[Term, ...]:
        """Those that look into a body or at headers."""
        return self._of(*PATHS)

    @property
    def texts(self) -> tuple[Term, ...]:
        """Free text, to be found anywhere in an event's data."""
        return self._of(TEXT)

    @property
    def ids(self) -> tuple[Term, ...]:
        """Ids that were pasted; what they name is told by their prefixes."""
        return self._of(ID)

    @property
    def since(self) -> datetime | None:
        """In UTC, included; the latest if there are several."""
        return max(self._moments("since"), default=None)

    @property
    def before(self) -> datetime | None:
        """In UTC, not included; the earliest if there are several."""
        return min(self._moments("before"), default=None)

    def without(self, term: Term) -> Query:
        """The query without that term; the same one if it has none such."""
        return Query(tuple(other for other in self.terms if other != term))

    def plus(self, term: Term) -> Query:
        """The query with that term at its end, unless it has it; `since` and `before` replace their like.

        BadSearch if it grows too long; its position is in the text that the query would have.
        """
        if term in self.terms:
            return self
        if term.key in TIMES and any(other.key == term.key for other in self.terms):
            return _bounded(tuple(term if other.key == term.key else other for other in self.terms))
        return _bounded((*self.terms, term))

    def __str__(self) -> str:
        return render(self)

    def _of(self, *keys: str) -> tuple[Term, ...]:
        return tuple(term for term in self.terms if term.key in keys)

    def _moments(self, key: str) -> list[datetime]:
        values = (value.value for term in self._of(key) for value in term.values)
        return [value.at for value in values if isinstance(value, Moment)]


def parse(text: str, *, now: datetime) -> Query:
    """The query that `text` is; BadSearch says what to change, and where. Relative times count from `now`.

    Words are joined by "and", the values of one by "or": `key:a,b` or `key:a|b`. `-` before a word leaves out
    what it finds: `-type:ping`. What has spaces goes in quotes, with a backslash before a quote or a backslash
    in it; the signs `>` `<` `*` mean something outside of quotes only.

    - `status:` words of hub/delivery/states.py; `failed` is dead or retrying, `open` what has not ended
    - `type:` patterns as of subscriptions; `*` leaves out the hub's own types, which `hub.*` finds
    - `sub:` `consumer:` `subject:` a text; of the last two also a beginning, `acme*`, or `*` for having one
    - `code:` statuses, classes (5xx), ranges, reasons of hub/delivery/outcome.py; `timeout`, `connect` and
      `tls` stand for several
    - `attempt:` and `latency:` compare: `>3` `<=3` `2..5`, `>800ms` `500ms..2s`; milliseconds without a unit
    - `since:` (included) and `before:`, once each: a day, RFC 3339 with an offset, or how long ago, as in 24h
    - `body.customer.id:42` finds the number 42 and the string "42"; `pai*` a beginning, `*` whatever is
      there, `>100` numbers. A number is an index where an array is; odd names go in quotes: `body."a b".c`
    - `header.x-id:abc` likewise; a header's name may be in any case
    - an id as it is, or several after `id:`; any other word or quoted text is looked for in the data

    All aliases are in STATUS_ALIASES and CODE_ALIASES of search_values.py and KEY_ALIASES of search_keys.py.
    """
    found: dict[Term, None] = {}
    times: set[str] = set()
    for word in words(text):
        term = term_of(word, now=now)
        if term.key in times:
            raise word.refuse(f"{term.key} stands here twice; leave one")
        if term.key in TIMES:
            times.add(term.key)
        found[term] = None
    return _bounded(tuple(found), end=len(text))


def render(query: Query) -> str:
    """The canonical text: parsed with the same `now` it is the same query. Relative times stay relative."""
    return " ".join(str(term) for term in query.terms)


def _bounded(terms: tuple[Term, ...], *, end: int | None = None) -> Query:
    # The canonical text has to be readable too, and aliases make it longer than what was typed.
    query = Query(terms)
    text = render(query)
    if len(terms) > MAX_WORDS:
        sentence = f"the search has {len(terms)} terms; at most {MAX_WORDS} are allowed"
        raise BadSearch(sentence, start=len(text) - len(str(terms[-1])), end=len(text))
    if len(text) > MAX_LENGTH:
        sentence = f"written out, the search has {len(text)} characters; at most {MAX_LENGTH} are allowed"
        raise BadSearch(sentence, start=0, end=len(text) if end is None else end)
    return query
