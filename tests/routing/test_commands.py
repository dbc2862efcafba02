"""What a command comes to, by a table."""

from __future__ import annotations

from datetime import date

import pytest

from hub.routing.commands import Command, Standing, verdict

OPEN = {"finish": None, "due": True, "held": False, "attempts": 1, "subject": None, "event_id": b"e" * 16}


@pytest.mark.parametrize(
    ("kind", "standing", "more", "works", "text"),
    [
        ("retry", {}, {}, True, "queued"),
        ("retry", {}, {"breaker_open": True}, True, "breaker is open"),
        ("retry", {}, {"in_flight": True}, False, "under way"),
        ("retry", {"held": True}, {}, False, "earlier delivery"),
        ("retry", {"due": False, "attempts": 0}, {}, False, "first attempt is queued"),
        ("retry", {"finish": 1}, {}, False, "requeue it"),
        ("cancel", {}, {}, True, "cancelled"),
        ("cancel", {"held": True}, {}, True, "cancelled"),
        ("cancel", {"due": False}, {}, True, "cancelled"),
        ("cancel", {"finish": 2}, {}, False, "has ended"),
        ("cancel", {}, {"in_flight": True}, False, "under way"),
        ("requeue", {"finish": 2, "due": False}, {}, True, "run 5"),
        ("requeue", {"finish": 1, "due": False}, {}, True, "run 5"),
        ("requeue", {}, {}, False, "not ended yet"),
        ("requeue", {"finish": 2, "event_id": None}, {}, False, "no longer kept"),
        ("retry", {}, {"exists": False}, False, "subscription is gone"),
    ],
)
def test_a_command_is_refused_or_takes_effect_with_a_sentence(
    kind: str, standing: dict, more: dict, works: bool, text: str
) -> None:
    command = Command(5, 3, 7, kind, 11, 3, date(2026, 1, 2), 0, 1)
    found = verdict(
        command,
        Standing(**{**OPEN, **standing}),
        **{"in_flight": False, "breaker_open": False, "exists": True, **more},
    )
    assert found[0] is works
    assert text in found[1]
