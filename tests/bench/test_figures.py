"""Values, ratios and the judgement of lag, as the bench prints them."""

from __future__ import annotations

import pytest

from bench.figures import Result, Row, grows, table

RATE = Row("rate", "a rate", "events/s", 100)
TIME = Row("time", "a time", "ms", 10, less=True)
WORST = Row("worst", "a time", "s", 12, less=True, worst=True)


@pytest.mark.parametrize(
    ("row", "value", "ratio"),
    [(RATE, 150, 1.5), (RATE, 50, 0.5), (TIME, 5, 2), (TIME, 20, 0.5), (TIME, 0, 99)],
)
def test_a_ratio_of_one_or_more_means_the_target_is_met(row: Row, value: float, ratio: float) -> None:
    assert row.ratio(value) == ratio


def test_the_value_is_the_median_and_the_note_is_of_that_run() -> None:
    result = Result(RATE, [3.0, 9.0, 4.0], ["a", "b", "c"])
    assert (result.value, result.note()) == (4.0, "c")


def test_a_row_that_asks_for_the_worst_run_gets_it() -> None:
    assert Result(WORST, [1.0, 11.0, 2.0], ["", "", ""]).value == 11.0


def test_a_failed_row_has_no_value_and_is_not_met() -> None:
    result = Result(RATE, [500.0], ["fine"], failure="2 events were lost")
    row = result.as_json({})
    assert (row["value"], row["ratio"], row["note"], result.met) == (
        None,
        0.0,
        "FAILED: 2 events were lost",
        False,
    )


@pytest.mark.parametrize(
    ("samples", "grew"),
    [
        ([50, 80, 60, 70, 55, 65], False),
        ([0, 100, 200, 300, 400, 500], True),
        ([0] * 8 + [1200], True),
        ([900, 700, 500, 300, 100, 0], False),
        ([], False),
        ([1500], True),
    ],
)
def test_lag_grows_when_the_last_third_waits_longer_than_the_first(samples: list[int], grew: bool) -> None:
    assert grows(samples, rate=1000) is grew


def test_the_table_shows_a_missing_floor_and_value_as_a_dash() -> None:
    text = table([Result(TIME).as_json({})])
    assert text.splitlines()[1].split() == ["time", "-", "ms", "≤", "10", "-", "0"]
