"""Which data and headers answer to a search, and that what bytes alone tell is what reading all of it tells."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.insights.search import parse
from hub.insights.search_match import body_matcher, body_matches, headers_match
from hub.insights.search_terms import Op, Term, Value

NOW = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
ORDER = (
    b'{"id": 42, "total": 19.90, "paid": true, "note": null, "a b": {"c.d": "x"}, "": "nameless", "7": "seven",'
    b' "customer": {"id": "42", "name": "Zo\xc3\xab Stra\xc3\x9fe"}, "big": 123456789012345678901234,'
    b' "items": [{"sku": "A-1"}, {"sku": "B-2"}], "tags": ["vip"]}'
)


def matches(text: str, data: bytes) -> bool:
    return body_matches(parse(text, now=NOW).terms, data)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("body.id:42", True),
        ("body.customer.id:42", True),
        ('body.id:"42"', True),
        ("body.id:42.0", True),
        ("body.customer.id:42.0", False),
        ("body.id:4", False),
        ("body.id:4*", True),
        ("body.id:1,42", True),
        ("body.total:19.9", True),
        ("body.total:19.90", True),
        ("body.total:19.*", True),
        ("body.total:>19 body.total:<=19.9 body.total:>=1.99e1", True),
        ("body.total:>19.9", False),
        ("body.customer.id:>1", False),
        ("body.paid:>0", False),
        ("body.paid:true", True),
        ("body.paid:tr*", True),
        ("body.paid:1", False),
        ("body.paid:True", False),
        ("body.note:null", True),
        ("body.note:*", True),
        ("body.nothing:*", False),
        ("-body.nothing:*", True),
        ("body.nothing:null", False),
        ("body.big:123456789012345678901234", True),
        ("body.customer:*", True),
        ('body.customer:""*', False),
        ("body.customer.name:Zoë*", True),
        ("body.customer.name:zoë*", False),
        ("body.items.1.sku:B-2", True),
        ("body.items.2.sku:*", False),
        ("body.items.01.sku:*", False),
        ("body.items.-1.sku:*", False),
        ("body.items.sku:B-2", False),
        ("body.7:seven", True),
        ("body.tags:vip", False),
        ("body.tags.0:vip", True),
        ('body."a b"."c.d":x', True),
        ('body."":nameless', True),
        ("body.id.x:*", False),
        ("-body.id:42", False),
        ("-body.id:43", True),
        ("body.id:42 -body.paid:true", False),
        ("zoë", True),
        ("ZOË", True),
        ("strasse", True),
        ("vip A-1", True),
        ("vip A-3", False),
        ("-A-3", True),
        ("sku", True),
        ("status:dead type:x header.a:b", True),
    ],
)
def test_data_answers_to_a_term(text: str, expected: bool) -> None:
    assert matches(text, ORDER) is expected
    escaped = json.dumps(json.loads(ORDER)).encode().replace(b"id", b"\\u0069\\u0064")
    assert b"\\u" in escaped
    assert matches(text, escaped) is expected


@pytest.mark.parametrize(
    ("text", "data", "expected"),
    [
        ('"\\"paid\\": true"', ORDER, True),
        ('"\\"paid\\":true"', ORDER, False),
        ('"http://x"', rb'"http:\/\/x"', True),
        ('"say \\"hi\\""', rb'"say \"hi\""', True),
        ('"say \\"hi\\""', rb'"say \u0022hi\u0022"', True),
        ('"c:\\\\u00e9"', rb'"c:\\u00e9"', True),
        ("é", rb'"c:\\u00e9"', False),
        ('"a\nb"', rb'"a\nb"', True),
        ("\U0001f600", rb'"\uD83D\uDE00"', True),
        ("\U0001f600", rb'"\uD83D"', False),
        ("x", b'"X\xff', True),
        ("body.a:1", b"{", False),
        ("-body.a:1", b"{", True),
        ("body.a:*", b'{"a":1e999}', False),
        ("body.a:*", b'{"a":' + b"[" * 2000 + b"]" * 2000 + b"}", False),
        ("é", b"[" * 300 + rb'"\u00C9"' + b"]" * 300, True),
        ("é", rb'{"a":"\u00C9', True),
        ("body.0:1", b"[1]", True),
        ("body.0:1", b"1", False),
        ("body.a:2", b'{"a":1,"a":2}', True),
        ("body.a:x/y", rb'{"a":"x\/y"}', True),
        ("body.a/b:1", rb'{"a\/b":1}', True),
        ("body.a:0", b'{"a":-0.0}', True),
        ("body.a:9007199254740993", b'{"a":9007199254740992}', False),
        ("body.a:042", b'{"a":42}', False),
        ("body.a:1e999", b'{"a":"1e999"}', True),
    ],
)
def test_spelling_and_broken_data_are_no_surprise(text: str, data: bytes, expected: bool) -> None:
    assert matches(text, data) is expected


HEADERS = [("X-Id", "abc"), ("x-id", "def"), ("Content-Type", "application/json"), ("Empty", "")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("header.x-id:abc", True),
        ("header.X-ID:def", True),
        ("header.x-id:ABC", False),
        ("header.x-id:a*,z", True),
        ("-header.x-id:def", False),
        ("-header.x-id:ghi", True),
        ("header.content-type:application/*", True),
        ("header.empty:*", True),
        ('header.empty:""', True),
        ("header.none:*", False),
        ("-header.none:*", True),
        ("header.x-id:abc header.none:x", False),
        ("body.a:1 text", True),
    ],
)
def test_headers_answer_to_a_term(text: str, expected: bool) -> None:
    assert headers_match(parse(text, now=NOW).terms, HEADERS) is expected


def test_a_prepared_search_is_good_for_many_events() -> None:
    matcher = body_matcher(parse("body.a:1 word", now=NOW).terms)
    data = [b'{"a":1,"b":"Word"}', b'{"a":2,"b":"word"}', b'{"a":1}', b'{"a":"1","\\u0077ord":0}']
    assert [matcher(one) for one in data] == [True, False, False, True]


NAMES = st.sampled_from(["a", "b", "0", "1", "é", 'q"', "x/y", ""])
TEXTS = st.sampled_from(
    ["a", "42", "true", "null", "-1", "é", 'say "a"', "x/y", "", "1.5", "A\\b", "\n", "ss"]
)
SCALARS = st.none() | st.booleans() | st.integers(-2, 43) | st.sampled_from([1.5, -1.0, 1e30, 42.0]) | TEXTS
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
TERMS = st.builds(
    Term,
    st.just("body"),
    st.lists(st.builds(Value, st.sampled_from([Op.eq, Op.prefix]), TEXTS) | st.just(Value(Op.exists, "")),
             min_size=1, max_size=2).map(tuple),
    st.booleans(),
    st.lists(NAMES, min_size=1, max_size=3).map(tuple),
) | st.builds(
    Term, st.just("text"), TEXTS.filter(bool).map(lambda text: (Value(Op.eq, text),)), st.booleans()
)  # fmt: skip


def _spelt(document: Any, spelling: int) -> bytes:
    if spelling == 0:
        return orjson.dumps(document)
    if spelling == 1:
        return json.dumps(document).replace("/", "\\/").encode()
    compact = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return "".join(f"\\u{ord(c):04X}" if c in "éxyqA" else c for c in compact).encode()


def _plainly(term: Term, document: Any) -> bool:
    """What the terms mean, without any haste."""
    if term.key == "text":
        text = str(term.values[0].value)
        told = orjson.dumps(document).decode().casefold()
        return any(needle.casefold() in told for needle in (text, orjson.dumps(text)[1:-1].decode()))
    for name in term.path:
        if isinstance(document, dict) and name in document:
            document = document[name]
        elif isinstance(document, list) and name in [str(n) for n in range(len(document))]:
            document = document[int(name)]
        else:
            return False
    told = document if isinstance(document, str) else json.dumps(document)
    if isinstance(document, dict | list):
        return any(value.op is Op.exists for value in term.values)
    if isinstance(document, float):
        told = orjson.dumps(document).decode()
    return any(
        value.op is Op.exists
        or (value.op is Op.prefix and told.startswith(str(value.value)))
        or (value.op is Op.eq and (told == value.value or told == f"{value.value}.0"))
        for value in term.values
    )


@settings(deadline=None, max_examples=500)
@given(DOCUMENTS, st.lists(TERMS, min_size=1, max_size=3), st.integers(0, 2))
def test_haste_changes_nothing(document: Any, terms: list[Term], spelling: int) -> None:
    data = _spelt(document, spelling)
    expected = all(_plainly(term, document) is not term.negated for term in terms)
    assert body_matches(terms, data) is expected
