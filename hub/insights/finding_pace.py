"""How much a page may cost: a deadline, and windows that grow while they are quickly looked through. It reads no row."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

COLUMNS_S: Final = 0.05
"""After so long a page ends, with what it has, where columns answer; beside what the last window takes."""
CONTENT_S: Final = 0.6
"""The same where bodies or headers are looked into."""
WINDOW_S: Final = 0.015
"""A window that takes longer is not followed by a larger one."""
FIRST_WINDOW: Final = 250
LARGEST_WINDOW: Final = 4_000
_GROWTH: Final = 4


@dataclass(frozen=True, slots=True)
class Pace:
    """`until`: of the monotonic clock. `first`: rows that the first statement judges."""

    until: float
    first: int

    def over(self) -> bool:
        return time.monotonic() > self.until


def pace(*, content: bool) -> Pace:
    """Of a page that begins now."""
    return Pace(time.monotonic() + (CONTENT_S if content else COLUMNS_S), FIRST_WINDOW)


def larger(size: int, *, took_s: float) -> int:
    """How many rows to judge after `size` of them took so long in vain."""
    growth = min(float(_GROWTH), WINDOW_S / max(took_s, 1e-6))
    return max(1, min(int(size * max(growth, 1 / _GROWTH)), max(LARGEST_WINDOW, size)))
