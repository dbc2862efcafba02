"""What a position asks for, and what it may be called: by tables."""

from __future__ import annotations

from typing import Any

import pytest

from hub.consumption.filtering import Filter
from hub.consumption.naming import problems

ENV, ACME, GLOBEX = 7, 1, 2


@pytest.mark.parametrize(
    ("asked", "event", "wanted"),
    [
        ({}, {}, True),
        ({}, {"consumer": ACME}, True),
        ({}, {"env": 8}, False),
        ({}, {"type": "hub.delivery.dead"}, False),
        ({"types": ("hub.*",)}, {"type": "hub.delivery.dead"}, True),
        ({"types": ("order.*",)}, {"type": "order"}, False),
        ({"types": ("order.*",)}, {"type": "order.line.added"}, True),
        ({"types": ("order.*",)}, {"type": "orders.made"}, False),
        ({"types": ("order.made",)}, {"type": "order.made.late"}, False),
        ({"types": ("user.*", "order.made")}, {}, True),
        ({"consumer": ACME}, {"consumer": ACME}, True),
        ({"consumer": ACME}, {"consumer": GLOBEX}, False),
        ({"consumer": ACME}, {"consumer": None}, False),
        ({"channels": frozenset({"eu"})}, {"channels": None}, False),
        ({"channels": frozenset({"eu"})}, {"channels": []}, False),
        ({"channels": frozenset({"eu", "us"})}, {"channels": ["asia", "us"]}, True),
        ({"channels": frozenset({"eu"})}, {"channels": ["EU"]}, False),
        ({}, {"channels": ["eu"]}, True),
    ],
)
def test_a_filter_asks_as_a_subscription_does(
    asked: dict[str, Any], event: dict[str, Any], wanted: bool
) -> None:
    made = Filter(**{"env": ENV, "consumer": None, "types": ("*",), **asked})
    given = {"env": ENV, "type": "order.made", "consumer": None, "channels": None, **event}
    assert made.wants(**given) is wanted


def test_the_values_of_the_statement_sort_patterns_by_their_kind() -> None:
    made = Filter(ENV, None, ("*", "order.*", "user.made"), frozenset({"us", "eu"}))
    assert made.parameters() == {
        "env": ENV,
        "consumer": None,
        "all": True,
        "exact": ["user.made"],
        "prefixes": ["order."],
        "channels": ["eu", "us"],
    }
    assert Filter(ENV, ACME, ("order.made",)).parameters()["channels"] is None


@pytest.mark.parametrize("name", ["a", "ledger", "9", "...", ".a", "A-b_c.d", "x" * 64, "POS_1", "pos-1"])
def test_a_name_is_letters_digits_and_three_signs(name: str) -> None:
    assert problems({"name": name}) == []


@pytest.mark.parametrize(
    "name", ["", ".", "..", "pos_1", "a b", "a/b", "é", "x" * 65, "a\n", "\n", "a\x00", "a%2F"]
)
def test_other_names_are_refused_with_what_to_change(name: str) -> None:
    ((field, message),) = problems({"name": name})
    assert (field, "1 to 64" in message) == ("name", True)


def test_types_and_channels_are_held_to_the_rules_of_subscriptions() -> None:
    assert problems({"types": ["order.*"], "channels": ["eu"]}) == []
    assert [field for field, _ in problems({"types": [], "channels": ["a b"]})] == ["types", "channels"]
    assert [field for field, _ in problems({"types": ["or*der"]})] == ["types"]
