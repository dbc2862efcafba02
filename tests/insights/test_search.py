"""The language of searching: what its words ask for, what is refused where, and that text and terms are one state."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.core import ids
from hub.delivery.outcome import Reason
from hub.delivery.states import State
from hub.insights.search import Query, parse, render
from hub.insights.search_terms import Moment, Op, Term, Value
from hub.insights.search_words import MAX_LENGTH, MAX_WORDS, BadSearch

NOW = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
EVENT = ids.encode("evt", b"\x01" * 16)
DELIVERY = ids.delivery_id(b"\x01" * 16, 7, 2)
EVERYTHING = (
    "status:dead,retrying type:order.* sub:sub_x consumer:acme code:5xx|429|timeout attempt:>3 latency:>800ms"
    " since:24h before:2026-11-23T10:00Z subject:order-1 body.customer.id:42 header.x-id:abc"
    f' "free text" -type:ping {EVENT}'
)


def query(text: str) -> Query:
    return parse(text, now=NOW)


def term(text: str) -> Term:
    (only,) = query(text).terms
    return only


def eq(*values: Any) -> tuple[Value, ...]:
    return tuple(Value(Op.eq, value) for value in values)


def test_one_search_has_every_kind_of_term() -> None:
    found = query(EVERYTHING)
    assert [(t.key, t.op, t.negated) for t in found.terms] == [
        ("status", Op.among, False),
        ("type", Op.glob, False),
        ("sub", Op.eq, False),
        ("consumer", Op.eq, False),
        ("code", Op.mixed, False),
        ("attempt", Op.gt, False),
        ("latency", Op.gt, False),
        ("since", Op.ge, False),
        ("before", Op.lt, False),
        ("subject", Op.eq, False),
        ("body", Op.eq, False),
        ("header", Op.eq, False),
        ("text", Op.eq, False),
        ("type", Op.eq, True),
        ("id", Op.eq, False),
    ]
    columns = ["status", "type", "sub", "consumer", "code", "attempt", "latency", "subject", "type"]
    assert [t.key for t in found.columns] == columns
    assert [t.path for t in found.paths] == [("customer", "id"), ("x-id",)]
    assert [t.values for t in found.texts] == [eq("free text")]
    assert [t.values for t in found.ids] == [eq(EVENT)]
    assert found.since == datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
    assert found.before == datetime(2026, 11, 23, 10, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "  ", "\n\t\u00a0"])
def test_nothing_asks_for_everything(text: str) -> None:
    assert query(text) == Query()
    assert (query(text).since, query(text).before, str(query(text))) == (None, None, "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("status:dead", Term("status", eq(State.dead))),
        ("STATUS:Dead|dead", Term("status", eq(State.dead))),
        ("status:failed", Term("status", eq(State.dead, State.retrying))),
        ("status:retrying,failed", Term("status", eq(State.retrying, State.dead))),
        ("status:open", Term("status", eq(State.waiting, State.retrying, State.held))),
        ('status:"handed over",handed-over', Term("status", eq(State.handed_over))),
        ("type:order.created", Term("type", eq("order.created"))),
        ('type:*,"hub.*"', Term("type", (Value(Op.glob, "*"), Value(Op.glob, "hub.*")))),
        ("subscription:sub_x", Term("sub", eq("sub_x"))),
        ("consumer:a:b@c.d", Term("consumer", eq("a:b@c.d"))),
        ("consumer:acme*", Term("consumer", (Value(Op.prefix, "acme"),))),
        ("-consumer:*", Term("consumer", (Value(Op.exists, ""),), negated=True)),
        ("code:404", Term("code", eq(404))),
        ("code:5XX", Term("code", (Value(Op.between, 500, 599),))),
        ("code:500..504,>=520", Term("code", (Value(Op.between, 500, 504), Value(Op.ge, 520)))),
        ("reason:http-5xx", Term("code", eq(Reason.http_5xx))),
        ("code:timeout", Term("code", eq(Reason.connect_timeout, Reason.read_timeout))),
        ("code:tls,dns", Term("code", eq(*(Reason(n) for n in (5, 6, 7, 8, 1))))),
        ("attempt:1,3", Term("attempt", eq(1, 3))),
        ("attempt:2..5", Term("attempt", (Value(Op.between, 2, 5),))),
        ("attempt:>=3", Term("attempt", (Value(Op.ge, 3),))),
        ("attempt:<1000000", Term("attempt", (Value(Op.lt, 1_000_000),))),
        ("latency:<=250", Term("latency", (Value(Op.le, 250_000),))),
        ("latency:1.5s..2m", Term("latency", (Value(Op.between, 1_500_000, 120_000_000),))),
        ("latency:>300µs,<0.001ms", Term("latency", (Value(Op.gt, 300), Value(Op.lt, 1)))),
        ("subject:order-1*", Term("subject", (Value(Op.prefix, "order-1"),))),
        ("body.items.0.sku:a", Term("body", eq("a"), path=("items", "0", "sku"))),
        ('body."a b"."".\u00e9:x', Term("body", eq("x"), path=("a b", "", "\u00e9"))),
        (r'body."\"\\".A:x', Term("body", eq("x"), path=('"\\', "A"))),
        ("body.a:*", Term("body", (Value(Op.exists, ""),), path=("a",))),
        ('body.a:"*"', Term("body", eq("*"), path=("a",))),
        ('body.a:"pa i"*', Term("body", (Value(Op.prefix, "pa i"),), path=("a",))),
        ("body.a:**", Term("body", (Value(Op.prefix, "*"),), path=("a",))),
        ("body.a:>=1.5e3", Term("body", (Value(Op.ge, "1.5e3"),), path=("a",))),
        ('body.a:">1"', Term("body", eq(">1"), path=("a",))),
        ('body.a:""', Term("body", eq(""), path=("a",))),
        (r"body.a:c:\d", Term("body", eq(r"c:\d"), path=("a",))),
        ('body.a:"x,y"|z', Term("body", eq("x,y", "z"), path=("a",))),
        ("header.X-Id.v2:*", Term("header", (Value(Op.exists, ""),), path=("x-id.v2",))),
        ("word", Term("text", eq("word"))),
        ("a,b|c*", Term("text", eq("a,b|c*"))),
        (r'"say \"hi\" \\o/"', Term("text", eq('say "hi" \\o/'))),
        ('-"a:b"', Term("text", eq("a:b"), negated=True)),
        ("--5", Term("text", eq("-5"), negated=True)),
        ("sub_total", Term("text", eq("sub_total"))),
        (f'"{EVENT}"', Term("text", eq(EVENT))),
        (DELIVERY, Term("id", eq(DELIVERY))),
        (f"-{EVENT}", Term("id", eq(EVENT), negated=True)),
        (f"id:{EVENT},{DELIVERY}", Term("id", eq(EVENT, DELIVERY))),
        (ids.message_id(b"\x01" * 16, 7), Term("id", eq(ids.message_id(b"\x01" * 16, 7)))),
    ],
)
def test_a_word_asks_for_what_it_says(text: str, expected: Term) -> None:
    assert term(text) == expected
    assert term(str(expected)) == expected


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("90s", NOW - timedelta(seconds=90)),
        ("30m", NOW - timedelta(minutes=30)),
        ("24h", NOW - timedelta(hours=24)),
        ("7d", NOW - timedelta(days=7)),
        ("2w", NOW - timedelta(weeks=2)),
        ("2026-11-20", datetime(2026, 11, 20, tzinfo=UTC)),
        ("2026-11-20T08:00Z", datetime(2026, 11, 20, 8, tzinfo=UTC)),
        ("2026-11-20t08:00:01.25z", datetime(2026, 11, 20, 8, 0, 1, 250_000, tzinfo=UTC)),
        ("2026-11-20T08:00:00+02:00", datetime(2026, 11, 20, 6, tzinfo=UTC)),
    ],
)
def test_a_moment_is_absolute_or_so_long_ago(text: str, at: datetime) -> None:
    found = query(f"since:{text}").since
    assert found == at
    assert found.tzinfo is UTC
    assert query(f"until:{text}").before == at


def test_a_relative_moment_stays_relative() -> None:
    later = NOW + timedelta(days=1)
    saved = render(query("since:24h status:dead"))
    assert saved == "since:24h status:dead"
    assert parse(saved, now=later).since == NOW
    eastern = NOW.astimezone(timezone(timedelta(hours=-5)))
    assert parse("since:24h", now=eastern) == query("since:24h")


def test_chips_and_text_are_one_state() -> None:
    found = query('status:dead since:24h "free text"')
    assert str(found.without(found.texts[0])) == "status:dead since:24h"
    assert found.without(term("status:held")) == found
    assert str(found.plus(term("-type:ping"))) == 'status:dead since:24h "free text" -type:ping'
    assert found.plus(found.terms[0]) == found
    assert str(found.plus(term("since:7d"))) == 'status:dead since:7d "free text"'
    assert str(found.plus(term("before:1h"))) == 'status:dead since:24h "free text" before:1h'
    assert str(found) == 'status:dead since:24h "free text"'


def test_a_chip_that_makes_the_search_too_long_is_refused() -> None:
    full = query(" ".join(f"w{n}" for n in range(MAX_WORDS)))
    with pytest.raises(BadSearch, match=f"{MAX_WORDS + 1} terms") as refused:
        full.plus(term("one-more"))
    assert (refused.value.start, refused.value.end) == (len(str(full)) + 1, len(str(full)) + 9)
    with pytest.raises(BadSearch, match="at most 1000"):
        query("a" * MAX_LENGTH).plus(term("b"))


def test_aliases_may_not_make_a_text_that_is_refused_when_read_again() -> None:
    text = " ".join(f"code:connect,tls,{status}" for status in range(400, 429))
    with pytest.raises(BadSearch, match="written out, the search has") as refused:
        query(text)
    assert (refused.value.start, refused.value.end) == (0, len(text))


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("  a   b ", "a b"),
        ("a b a", "a b"),
        ("latency:>1500ms latency:<0.5 latency:<0 latency:<61s", "latency:>1500ms latency:<500us latency:<0m"
         " latency:<61s"),
        ("latency:<60000", "latency:<1m"),
        ("code:400..499", "code:4xx"),
        ("code:400..498", "code:400..498"),
        ('"word" "-x" "a:b" "a b"', 'word "-x" "a:b" "a b"'),
        ("HEADER.X-ID:A", "header.x-id:A"),
        ('body."a".b:"c"|d', "body.a.b:c,d"),
        (f"id:{EVENT}", EVENT),
        (f'"{EVENT}"', f'"{EVENT}"'),
    ],
)  # fmt: skip
def test_every_search_has_one_text(text: str, canonical: str) -> None:
    assert str(query(text)) == canonical


def _texts(alphabet: str) -> st.SearchStrategy[str]:
    return st.text(alphabet=alphabet, max_size=8)


ODD = _texts('ab -:.,|*<>="\\/\u00e9\u00a0\n@_0')
PIECES = ODD | st.sampled_from([
    "dead", "failed", "5xx", "429", "timeout", "order.*", "*", ">3", "2..5", ">800ms", "1.5s..2s", "24h", ">1.5e3",
    "2026-11-23", "2026-11-23T10:00:00.5Z", EVENT, DELIVERY, '"a b"', '"x"*', '""', r'"\"\\"',
])  # fmt: skip
HEADS = st.sampled_from([
    "", "status:", "type:", "sub:", "consumer:", "code:", "attempt:", "latency:", "since:", "before:", "subject:",
    "id:", "body.a.0:", 'body."a b".c:', 'body."".x:', "header.X-Id:", "nonsense:", "body.:",
])  # fmt: skip
WORDS = st.tuples(
    st.sampled_from(["", "", "-"]), HEADS, st.lists(PIECES, min_size=1, max_size=3).map(",".join)
).map("".join)
SEARCHES = st.lists(WORDS, max_size=4).map(" ".join)


@settings(deadline=None, max_examples=400)
@given(WORDS | SEARCHES)
def test_what_is_read_is_read_the_same_from_its_canonical_text_and_all_else_is_underlined(text: str) -> None:
    found = refused = None
    try:
        found = query(text)
    except BadSearch as error:
        refused = error
    if found is not None:
        assert query(render(found)) == found
    assert refused is None or 0 <= refused.start < refused.end <= len(text)


VALUES = st.builds(Value, st.sampled_from([Op.eq, Op.prefix]), _texts('a *"\\,|<>-:.\u00e9').filter(bool))
TERMS = st.builds(
    Term,
    st.just("body"),
    st.lists(VALUES, min_size=1, max_size=3, unique=True).map(tuple),
    st.booleans(),
    st.lists(_texts('a ."\\:\u00e9'), min_size=1, max_size=3).map(tuple),
) | st.builds(
    Term,
    st.just("text"),
    _texts('a -:."\\*,|<>\u00e9').filter(bool).map(lambda text: eq(text)),
    st.booleans(),
)


@settings(deadline=None, max_examples=300)
@given(st.lists(TERMS, max_size=4, unique=True))
def test_whatever_is_asked_for_can_be_written(terms: list[Term]) -> None:
    assert query(render(Query(tuple(terms)))) == Query(tuple(terms))


@settings(deadline=None, max_examples=200)
@given(st.datetimes(min_value=datetime(1000, 1, 2), max_value=datetime(2999, 12, 30)))
def test_a_moment_is_written_to_the_microsecond(at: datetime) -> None:
    moment = Moment(at.replace(tzinfo=UTC))
    assert query(f"since:{moment}").since == moment.at
