"""The short drill: each quick fault once, under load, with every accepted event accounted for."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.embedded import ROOT


@pytest.mark.drill
def test_nothing_is_lost_when_parts_are_killed_cut_and_flushed() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "bench.drill", "--short", "--seed", "7"],
        cwd=ROOT, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "9 passed, 0 failed"
