"""What the simulator makes of an attempt: by tables, and by whatever else may be stored."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.http.reply import READ_TIMEOUT, RESET
from hub.delivery.outcome import Reason, classify
from hub.delivery.simulation import MARK, Pretence, decide
from hub.subscriptions.simulation import check_simulate, stored


def told(made: int = 0, timeout_s: float = 5, random: float = 0.0, **simulate: Any) -> Pretence | None:
    assert check_simulate(simulate) == []
    return decide(stored(simulate), made=made, timeout_s=timeout_s, random=random)


@pytest.mark.parametrize(
    ("simulate", "expected"),
    [
        ({"status": 503}, Pretence(0.0, 503, "", "simulated: 503")),
        (
            {"status": 429, "retry_after_s": 7, "latency_ms": 20},
            Pretence(0.02, 429, "", "simulated: 429 after 20 ms", 0.02, 7),
        ),
        ({"status": 503, "retry_after_s": 0}, Pretence(0.0, 503, "", "simulated: 503", 0.0, 0)),
        ({"latency_ms": 300}, Pretence(0.3, 200, "", "simulated: 200 after 300 ms", 0.3)),
        ({"status": 204}, Pretence(0.0, 204, "", "simulated: 204")),
        ({"reset": True}, Pretence(0.0, 0, RESET, "simulated: the connection was closed without an answer")),
        (
            {"reset": True, "latency_ms": 4_999},
            Pretence(4.999, 0, RESET, "simulated: the connection was closed without an answer"),
        ),
        (
            {"slow_body": True, "latency_ms": 100},
            Pretence(5, 200, READ_TIMEOUT, "simulated: the answer began, but did not end within 5 s", 0.1),
        ),
        ({"latency_ms": 5_000}, Pretence(5, 0, READ_TIMEOUT, "simulated: no answer within 5 s")),
        (
            {"status": 500, "latency_ms": 60_000},
            Pretence(5, 0, READ_TIMEOUT, "simulated: no answer within 5 s"),
        ),
        (
            {"reset": True, "latency_ms": 5_000},
            Pretence(5, 0, READ_TIMEOUT, "simulated: no answer within 5 s"),
        ),
        (
            {"slow_body": True, "latency_ms": 9_000},
            Pretence(5, 0, READ_TIMEOUT, "simulated: no answer within 5 s"),
        ),
    ],
)
def test_a_simulated_attempt_looks_like_one_of_the_endpoint(
    simulate: dict[str, Any], expected: Pretence
) -> None:
    assert told(**simulate) == expected


@pytest.mark.parametrize(
    ("probability", "random", "strikes"),
    [(1.0, 0.999999, True), (0.0, 0.0, False), (0.5, 0.499999, True), (0.5, 0.5, False), (1, 0.0, True)],
)
def test_it_strikes_as_often_as_it_was_told(probability: float, random: float, strikes: bool) -> None:
    assert (told(status=500, probability=probability, random=random) is not None) is strikes


@pytest.mark.parametrize(
    ("first", "made", "strikes"), [(2, 0, True), (2, 1, True), (2, 2, False), (1, 1, False), (None, 99, True)]
)
def test_first_counts_the_attempts_of_each_delivery(first: int | None, made: int, strikes: bool) -> None:
    assert (told(made=made, status=500, first=first) is not None) is strikes


SIMULATE = st.fixed_dictionaries(
    {},
    optional={
        "status": st.one_of(st.none(), st.integers(100, 599)),
        "latency_ms": st.integers(0, 60_000),
        "reset": st.booleans(),
        "slow_body": st.booleans(),
        "probability": st.floats(0, 1),
        "first": st.one_of(st.none(), st.integers(1, 1000)),
        "retry_after_s": st.one_of(st.none(), st.integers(0, 86_400)),
    },
)


@given(SIMULATE, st.integers(0, 50), st.integers(1, 60), st.floats(0, 1, exclude_max=True))
def test_whatever_the_rule_lets_through_can_be_simulated(
    simulate: dict[str, Any], made: int, timeout_s: int, random: float
) -> None:
    if check_simulate(simulate):
        return
    found = decide(stored(simulate), made=made, timeout_s=timeout_s, random=random)
    if found is None:
        assert random >= simulate.get("probability", 1.0) or made >= (simulate.get("first") or 0)
        return
    assert 0.0 <= found.first_s <= found.wait_s <= timeout_s
    assert found.detail.startswith(MARK)
    reason = classify(status=found.status, error=found.error)
    if simulate.get("latency_ms", 0) >= timeout_s * 1000:
        assert (reason, found.wait_s) == (Reason.read_timeout, timeout_s)
    assert found.retry_after_s is None or found.status in (429, 503)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({}, "what to do"),
        ({"probability": 0.5}, "what to do"),
        ({"status": 503, "reset": True}, "status and reset"),
        ({"reset": True, "slow_body": True}, "reset and slow_body"),
        ({"status": 500, "retry_after_s": 3}, "429 and 503"),
        ({"reset": True, "retry_after_s": 3}, "429 and 503"),
        ({"status": 99}, "between 100 and 599"),
        ({"status": 600}, "between 100 and 599"),
        ({"status": True}, "between 100 and 599"),
        ({"status": "503"}, "between 100 and 599"),
        ({"status": 503, "latency_ms": -1}, "between 0 and 60000"),
        ({"latency_ms": 60_001}, "between 0 and 60000"),
        ({"reset": 1}, "true or false"),
        ({"status": 503, "probability": 1.01}, "between 0 and 1"),
        ({"status": 503, "probability": float("nan")}, "between 0 and 1"),
        ({"status": 503, "probability": None}, "between 0 and 1"),
        ({"status": 503, "first": 0}, "between 1 and 1000"),
        ({"status": 503, "delay": 3}, "delay is not known"),
        ([], "must be null or an object"),
        ("503", "must be null or an object"),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_to_change(value: Any, words: str) -> None:
    (message,) = check_simulate(value)
    assert words in message


def test_nothing_is_always_right() -> None:
    assert check_simulate(None) == []
