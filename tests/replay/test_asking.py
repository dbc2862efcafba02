"""A frozen search finds nothing younger than its moment, and only what has ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hub.insights.search import render
from hub.insights.search_words import BadSearch
from hub.replay.asking import frozen, of_subscription

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "events", "meant"),
    [
        ("", True, "before:2026-05-01T12:00:00Z"),
        ("", False, "before:2026-05-01T12:00:00Z status:delivered,dead,cancelled,expired"),
        ("type:order.*", True, "type:order.* before:2026-05-01T12:00:00Z"),
        (
            "status:dead",
            False,
            "status:dead before:2026-05-01T12:00:00Z status:delivered,dead,cancelled,expired",
        ),
        ("before:2026-04-01T00:00:00Z", True, "before:2026-04-01T00:00:00Z"),
        ("before:2026-06-01T00:00:00Z", True, "before:2026-05-01T12:00:00Z"),
    ],
)
def test_a_search_is_bounded(text: str, events: bool, meant: str) -> None:
    assert render(frozen(text, at=AT, events=events)) == meant


def test_relative_times_count_from_the_moment_whenever_it_is_read() -> None:
    assert frozen("since:2h", at=AT, events=True).since == AT - timedelta(hours=2)


def test_of_one_subscription() -> None:
    query = of_subscription(frozen("type:a", at=AT, events=False), "sub_01m84msbyye80a9d67jvj1fm28", at=AT)
    assert render(query).endswith("sub:sub_01m84msbyye80a9d67jvj1fm28")


def test_a_bad_search_is_refused_as_it_is_elsewhere() -> None:
    with pytest.raises(BadSearch, match="Did you mean status"):
        frozen("statsu:dead", at=AT, events=True)
