"""Problem documents have one shape."""

from __future__ import annotations

import json

import pytest

from hub.core.problems import CODES, Problem, ProblemError, closest, overloaded, problem


def test_every_code_makes_a_whole_document() -> None:
    for code, (status, title) in CODES.items():
        body = problem(code, "Why.").body("req_1")
        assert body == {
            "type": f"/problems/{code}",
            "title": title,
            "status": status,
            "detail": "Why.",
            "code": code,
            "request_id": "req_1",
        }


def test_errors_extra_and_instance_are_members() -> None:
    made = problem("invalid", "Two.", errors=[{"pointer": "/type", "detail": "x"}], extra={"limit": 3})
    document = json.loads(made.json("req_1", instance="/events"))
    assert document["errors"] == [{"pointer": "/type", "detail": "x"}]
    assert (document["limit"], document["instance"], document["status"]) == (3, "/events", 422)


def test_extra_may_not_hide_a_standard_member() -> None:
    with pytest.raises(ValueError, match="'status'"):
        problem("invalid", "x", extra={"status": 200})


def test_overload_says_when_to_come_back() -> None:
    assert overloaded("Busy.", retry_after_s=2).headers == {"Retry-After": "2"}
    assert overloaded("Busy.", retry_after_s=2).status == 503


def test_an_error_carries_its_problem() -> None:
    held = Problem(418, "teapot", "I'm a teapot", "Short and stout.")
    assert ProblemError(held).problem is held
    assert str(ProblemError(held)) == "418 teapot: Short and stout."


@pytest.mark.parametrize(
    ("word", "meant"), [("subjct", "subject"), ("limt", "limit"), ("qqqq", None), ("x" * 10_000, None)]
)
def test_the_closest_word_is_suggested(word: str, meant: str | None) -> None:
    assert closest(word, ["subject", "limit", "type"]) == meant
