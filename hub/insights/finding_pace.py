"""How much a page may cost: a deadline, and windows that grow while nothing is found. It reads no row."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

COLUMNS_S: Final = 0.06
"""After so long a page ends, with what it has, where columns answer; beside what the last window takes."""
CONTENT_S: Final = 0.7
"""The same where bodies or headers are looked into."""
FIRST_WINDOW: Final = 250
LARGEST_WINDOW: Final = 4_000


@dataclass(frozen=True, slots=True)
class Pace:
    """`until`: of the monotonic clock. `first` and `largest`: rows that one statement judges."""

    until: float
    first: int
    largest: int

    def over(self) -> bool:
        return time.monotonic() > self.until

    def windows(self) -> Iterator[int]:
        """Sizes of windows, each four times the one before, up to the largest."""
        size = min(self.first, self.largest)
        while True:
            yield size
            size = min(size * 4, self.largest)


def pace(*, content: bool) -> Pace:
    """Of a page that begins now."""
    return Pace(time.monotonic() + (CONTENT_S if content else COLUMNS_S), FIRST_WINDOW, LARGEST_WINDOW)
