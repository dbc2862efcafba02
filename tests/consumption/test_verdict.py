"""What a lease is still good for."""

from __future__ import annotations

import pytest

from hub.consumption.verdict import Verdict, judge, refusal


@pytest.mark.parametrize(
    ("known", "ended", "late", "verdict"),
    [
        (True, None, False, Verdict.good),
        (True, None, True, Verdict.expired),
        (True, "acked", False, Verdict.done),
        (True, "acked", True, Verdict.done),
        (True, "released", False, Verdict.released),
        (True, "revoked", True, Verdict.revoked),
        (False, None, False, Verdict.unknown),
    ],
)
def test_a_lease_is_judged_by_its_end_before_its_time(
    known: bool, ended: str | None, late: bool, verdict: Verdict
) -> None:
    assert judge(known=known, ended=ended, late=late) is verdict


@pytest.mark.parametrize("verdict", [Verdict.released, Verdict.revoked, Verdict.expired, Verdict.unknown])
def test_a_lease_that_is_over_is_refused_with_what_to_do(verdict: Verdict) -> None:
    problem = refusal(verdict).problem
    assert (problem.status, problem.code) == (409, "conflict")
    assert "othing was moved" in problem.detail
    assert "ead" in problem.detail
