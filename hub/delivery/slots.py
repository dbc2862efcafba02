"""How many requests of one subscription may be in flight, and whose they may be.

Plain arithmetic on a number that the owner keeps; it never counts what is in flight itself.
"""

from __future__ import annotations

from typing import Final

START: Final = 4
DEFAULT_BOUND: Final = 64


def start(bound: int = DEFAULT_BOUND) -> int:
    return min(START, bound)


def after_success(slots: int, bound: int = DEFAULT_BOUND) -> int:
    return slots + 1 if slots < bound else bound


def after_failure(slots: int) -> int:
    return slots // 2 or 1


def for_retries(slots: int) -> int:
    """The share retries may take: at most half, so that a backlog never starves first attempts."""
    return slots // 2 or 1


def for_replays(slots: int, *, alone: bool = False) -> int:
    """The share runs above 0 may take: at most a quarter, so that a replay never slows what is live; three while nothing is."""
    return (slots * 3 // 4 if alone else slots // 4) or 1
