"""Which texts are types and patterns, and which pattern asks for which type."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.subscriptions.patterns import (
    BadPattern,
    asking_for,
    is_reserved,
    matches,
    validate_pattern,
    validate_type,
)

SEGMENTS = st.lists(st.sampled_from(["a", "b", "hub", "order-1", "X_y"]), min_size=1, max_size=4)
TYPES = SEGMENTS.map(".".join)
PATTERNS = st.just("*") | TYPES | TYPES.map(lambda text: text + ".*")


@pytest.mark.parametrize(
    "text", ["order", "order.created", "a.b.c.d", "Order_1.line-item.2", "-", "a" * 128, "hub.x"]
)
def test_a_type_is_segments_joined_by_dots(text: str) -> None:
    assert validate_type(text) == text
    assert validate_pattern(text) == text


@pytest.mark.parametrize("text", ["*", "order.*", "order.line.*", "hub.*", "a" * 126 + ".*"])
def test_a_pattern_may_end_in_a_star(text: str) -> None:
    assert validate_pattern(text) == text
    with pytest.raises(BadPattern, match="only patterns may"):
        validate_type(text)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "the pattern is empty; write something like order.created"),
        ("a" * 129, "the pattern has 129 characters; at most 128 are allowed"),
        ("a" * 127 + ".*", "the pattern has 129 characters; at most 128 are allowed"),
        (
            "order.",
            "'order.' has an empty segment; put one dot between segments, none at the start or the end",
        ),
        (
            ".order",
            "'.order' has an empty segment; put one dot between segments, none at the start or the end",
        ),
        ("a..b", "'a..b' has an empty segment; put one dot between segments, none at the start or the end"),
        ("a b", "'a b' has the character ' '; use letters A-Z a-z, digits, _ and -, joined by dots"),
        ("a\n", "'a\\n' has the character '\\n'; use letters A-Z a-z, digits, _ and -, joined by dots"),
        ("größe", "'größe' has the character 'ö'; use letters A-Z a-z, digits, _ and -, joined by dots"),
        ("a\x00", "'a\\x00' has the character '\\x00'; use letters A-Z a-z, digits, _ and -, joined by dots"),
        (7, "a pattern is a text"),
        (None, "a pattern is a text"),
        *(
            (
                text,
                f"{text!r} has a * where none may stand;"
                " write * alone, or end the pattern with .* as in order.*",
            )
            for text in ("*.created", "a.*.b", "order*", ".*", "**", "a.**", "*.*")
        ),
    ],
)
def test_a_bad_pattern_is_told_what_to_change(text: object, complaint: str) -> None:
    with pytest.raises(BadPattern) as refused:
        validate_pattern(text)
    assert str(refused.value) == complaint


@pytest.mark.parametrize("text", ["", "a..b", "a b", "é", "a" * 129, 7, None, ["a"], b"a"])
def test_a_bad_type_is_refused(text: object) -> None:
    with pytest.raises(BadPattern, match=r"event type|segment|character"):
        validate_type(text)


@pytest.mark.parametrize(
    ("type", "reserved"), [("hub.x", True), ("hub.a.b", True), ("hub", False), ("hubs.x", False)]
)
def test_the_hubs_own_types_are_reserved(type: str, reserved: bool) -> None:
    assert is_reserved(type) is reserved


@pytest.mark.parametrize(
    ("pattern", "type", "expected"),
    [
        ("order.created", "order.created", True),
        ("order.created", "order.created.late", False),
        ("order.created", "Order.created", False),
        ("order.*", "order.created", True),
        ("order.*", "order.line.added", True),
        ("order.*", "order", False),
        ("order.*", "orders.created", False),
        ("order.line.*", "order.created", False),
        ("*", "order", True),
        ("*", "order.line.added", True),
        ("*", "hub.delivery.dead", False),
        ("*", "hub", True),
        ("hub.*", "hub.delivery.dead", True),
        ("hub.delivery.*", "hub.delivery.dead", True),
        ("hub.delivery.dead", "hub.delivery.dead", True),
    ],
)
def test_a_pattern_asks_for_a_type(pattern: str, type: str, expected: bool) -> None:
    assert matches(pattern, type) is expected


def test_a_type_is_asked_for_by_itself_its_prefixes_and_all() -> None:
    assert asking_for("order") == ["order", "*"]
    assert asking_for("order.line.added") == ["order.line.added", "order.line.*", "order.*", "*"]
    assert asking_for("hub.delivery.dead") == ["hub.delivery.dead", "hub.delivery.*", "hub.*"]


@settings(deadline=None)
@given(pattern=PATTERNS, type=TYPES)
def test_looking_up_and_matching_agree(pattern: str, type: str) -> None:
    assert (validate_pattern(pattern) in asking_for(validate_type(type))) is matches(pattern, type)


@settings(deadline=None)
@given(st.text(alphabet="ab.*-_ \n\x00\u00e9\u0663", max_size=8))
@pytest.mark.parametrize("validate", [validate_type, validate_pattern])
def test_whatever_is_accepted_is_accepted_as_it_is(validate: Callable[[object], str], text: str) -> None:
    try:
        accepted = validate(text)
    except BadPattern:
        return
    assert accepted == text
    assert text.isascii()
    assert "" not in text.split(".")
