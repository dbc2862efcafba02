"""The two clocks. Only faces, tasks and commands read them; pure modules take the time as an argument."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def utcnow() -> datetime:
    """The wall clock, always aware and always UTC. It can jump: never measure a wait with it."""
    return datetime.now(UTC)


def monotonic() -> float:
    """Seconds of a clock that never goes back; only differences mean something."""
    return time.monotonic()
