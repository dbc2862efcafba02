"""What is indexed of an event's data is what the search language finds by the same words."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.insights import search
from hub.insights.key_values import LONGEST_VALUE, check_paths, sought, values_at
from hub.insights.search_match import body_matches

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("paths", "wrong"),
    [
        ([], 0),
        (["customer.id", "a.0.b", "größe"], 0),
        ("customer", 1),
        ([1], 1),
        (["a..b"], 1),
        ([""], 1),
        (["a b"], 1),
        (['a"b'], 1),
        (["x" * 201], 1),
        (["a", "a"], 1),
        (list("abcdef"), 1),
    ],
)
def test_paths_are_judged(paths: object, wrong: int) -> None:
    assert len(check_paths(paths)) == wrong


@pytest.mark.parametrize(
    ("data", "values"),
    [
        ({"a": {"b": "x"}}, [("a.b", "sx")]),
        ({"a": {"b": 42}}, [("a.b", "n42")]),
        ({"a": {"b": 42.0}}, [("a.b", "n42")]),
        ({"a": {"b": 4.25}}, [("a.b", "n4.25")]),
        ({"a": {"b": True}}, [("a.b", "ltrue")]),
        ({"a": {"b": None}}, [("a.b", "lnull")]),
        ({"a": {"b": ["x"]}}, []),
        ({"a": {"b": {}}}, []),
        ({"a": "x"}, []),
        ([1], []),
        ({"a": {"b": "x" * LONGEST_VALUE}}, []),
        ({"a": {"b": "x" * (LONGEST_VALUE - 1)}}, [("a.b", "s" + "x" * (LONGEST_VALUE - 1))]),
    ],
)
def test_scalars_are_indexed_and_nothing_else(data: object, values: list[tuple[str, str]]) -> None:
    assert values_at(["a.b"], orjson.dumps(data)) == values


def test_data_that_can_not_be_parsed_has_no_values() -> None:
    assert values_at(["a"], b"not json") == []
    assert values_at(["1"], b"[5,6]") == [("1", "n6")]


@given(
    st.one_of(
        st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False, allow_infinity=False, width=32), st.booleans(), st.none(),
        st.text(max_size=20), st.sampled_from(["42", "42.0", "true", "null", "1e3"]),
    ),
    st.one_of(st.integers(-(2**63), 2**64 - 1).map(str), st.sampled_from(["42", "42.0", "4.2e1", "true", "null", "1000", "1e3", "x"])),
)  # fmt: skip
def test_what_a_search_calls_equal_is_looked_up(value: object, asked: str) -> None:
    data = orjson.dumps({"k": value})
    terms = search.parse(f'body.k:"{asked}"', now=NOW).paths
    indexed = {text for _, text in values_at(["k"], data)}
    if body_matches(terms, data):
        assert indexed & set(sought(asked)), (value, asked)
    else:
        assert not indexed & set(sought(asked))
