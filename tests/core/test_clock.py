"""The clocks are aware, and one never goes back."""

from __future__ import annotations

from datetime import UTC, datetime

from hub.core import clock


def test_the_wall_clock_is_utc() -> None:
    before = datetime.now(UTC)
    assert before <= clock.utcnow() <= datetime.now(UTC)
    assert clock.utcnow().tzinfo is UTC


def test_the_monotonic_clock_ascends() -> None:
    assert clock.monotonic() <= clock.monotonic()
