"""Slots grow by one, fall by half, and keep a share for first attempts."""

from __future__ import annotations

import pytest

from hub.delivery import slots


def test_they_start_at_four_or_at_the_bound_if_that_is_less() -> None:
    assert [slots.start(bound) for bound in (1, 3, 4, 5, 256)] == [1, 3, 4, 4, 4]
    assert slots.start() == 4


def test_each_success_adds_one_up_to_the_bound() -> None:
    now, seen = slots.start(), []
    for _ in range(62):
        now = slots.after_success(now)
        seen.append(now)
    assert seen == [*range(5, 65), 64, 64]


def test_a_bound_that_was_lowered_is_obeyed_with_the_next_success() -> None:
    assert slots.after_success(40, 8) == 8


def test_each_failure_halves_them_and_one_is_always_left() -> None:
    now, seen = 64, []
    for _ in range(8):
        now = slots.after_failure(now)
        seen.append(now)
    assert seen == [32, 16, 8, 4, 2, 1, 1, 1]


@pytest.mark.parametrize(
    ("have", "retries", "replays"),
    [(1, 1, 1), (2, 1, 1), (3, 1, 1), (4, 2, 1), (7, 3, 1), (8, 4, 2), (64, 32, 16)],
)
def test_retries_take_at_most_half_and_replays_a_quarter(have: int, retries: int, replays: int) -> None:
    assert (slots.for_retries(have), slots.for_replays(have)) == (retries, replays)
    assert have == 1 or slots.for_retries(have) < have


@pytest.mark.parametrize(("have", "replays"), [(1, 1), (2, 1), (3, 2), (4, 3), (64, 48)])
def test_replays_take_three_quarters_while_nothing_else_waits(have: int, replays: int) -> None:
    assert slots.for_replays(have, alone=True) == replays
