"""What differs between two values is told by pointers, a bounded number of them, however deep they are."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.insights.changes import Change, Changes, Kind, changes

SCALARS = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.5, 1.0, "", "a", "1"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b/c", "~", "", "0"]), inner, max_size=3)
    ),
    max_leaves=10,
)


def told(before: Any, after: Any, most: int = 50) -> str:
    return str(changes(before, after, most=most))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (None, None, "nothing changed"),
        (None, {"a": 1}, "added all of it"),
        ({"a": 1}, None, "removed all of it"),
        ({"a": 1}, {"a": 1}, "nothing changed"),
        ({"a": 1}, {"a": 1.0}, "nothing changed"),
        ({"a": 1}, {"a": True}, "changed /a"),
        ({"a": False}, {"a": 0}, "changed /a"),
        ({"a": "1"}, {"a": 1}, "changed /a"),
        ({"a": None}, {"a": 0}, "changed /a"),
        ({"a": None}, {}, "removed /a"),
        ({}, {"a": None}, "added /a"),
        ({"a": {}}, {"a": []}, "changed /a"),
        ({"a": []}, {"a": 0}, "changed /a"),
        ({"a": {"b": [1]}}, {"a": {"b": [1, {"c": 2}]}}, "added /a/b/1"),
        ({"a": [1, 2, 3]}, {"a": [1, 3]}, "changed /a/1, removed /a/2"),
        ({"b": 1, "a": 2}, {"c": 3, "a": 4}, "removed /b, changed /a, added /c"),
        ({"a/b": 1, "m~n": 1, "": 1}, {"a/b": 2, "m~n": 2, "": 2}, "changed /a~1b, changed /m~0n, changed /"),
        ([1], {"0": 1}, "changed all of it"),
        (1, 2, "changed all of it"),
    ],
)
def test_what_differs_is_told_by_pointers(before: Any, after: Any, expected: str) -> None:
    assert told(before, after) == expected


def test_a_bounded_number_is_listed_and_the_rest_counted() -> None:
    before, after = list(range(100)), [n + 1 for n in range(100)]
    found = changes(before, after)
    assert found.listed == tuple(Change(Kind.changed, f"/{n}") for n in range(50))
    assert found.more == 50
    assert told(before, after, most=1) == "changed /0 and 99 more"
    assert changes(before, after, most=0) == Changes((), 100)


def test_a_thousand_levels_are_no_trouble() -> None:
    before, after = deep(1), deep(2)
    assert changes(before, after).listed == (Change(Kind.changed, "/a/0" * 1000),)
    assert changes(before, deep(1)) == Changes()


def deep(leaf: Any) -> Any:
    for _ in range(1000):
        leaf = {"a": [leaf]}
    return leaf


def at(value: Any, pointer: str) -> Any:
    """RFC 6901, section 4; KeyError or IndexError where nothing is."""
    for token in pointer.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        value = value[int(name)] if isinstance(value, list) else value[name]
    return value


def there(value: Any, pointer: str) -> bool:
    try:
        at(value, pointer)
    except (KeyError, IndexError):
        return False
    return True


@settings(deadline=None, max_examples=300)
@given(VALUES, VALUES)
def test_every_pointer_leads_to_a_difference(before: Any, after: Any) -> None:
    kept = deepcopy((before, after))
    found = changes(before, after, most=10_000)
    assert (before, after) == kept
    assert found.more == 0
    assert len({change.pointer for change in found.listed}) == len(found.listed)
    for change in found.listed:
        was = before is not None and there(before, change.pointer)
        remains = after is not None and there(after, change.pointer)
        expected = {(True, True): Kind.changed, (True, False): Kind.removed, (False, True): Kind.added}
        assert change.kind is expected[was, remains]
        if change.kind is Kind.changed:
            assert repr(at(before, change.pointer)) != repr(at(after, change.pointer))
    assert changes(before, deepcopy(before)) == Changes()
    # Told the other way round, what was added was removed.
    back = changes(after, before, most=10_000)
    assert {change.pointer for change in back.listed} == {change.pointer for change in found.listed}


@settings(deadline=None, max_examples=200)
@given(VALUES, VALUES)
def test_nothing_changed_only_if_they_are_equal(before: Any, after: Any) -> None:
    same = changes(before, after) == Changes()
    assert same is (_strict(before) == _strict(after))


def _strict(value: Any) -> Any:
    """With each scalar's kind beside it, since Python takes 1 for True."""
    if isinstance(value, dict):
        return {name: _strict(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_strict(inner) for inner in value]
    return (isinstance(value, bool), value)
