"""The table in README.md is rewritten between its marks and nowhere else."""

from __future__ import annotations

import pytest

from bench.readme import BEGIN, END, block, replaced

REPORT = {
    "commit": "abc", "at": "2026-01-02T00:00:00+00:00",
    "machine": {"cores": 2, "cpu": "X", "python": "3.11", "postgres": "18"},
    "rows": [{"title": "ingest", "bound": "at least", "floor": 20000.0, "floor_name": "bare ASGI", "value": 13000.0,
              "unit": "events/s", "target": 12000, "ratio": 1.083}],
}  # fmt: skip


def test_only_what_stands_between_the_marks_changes() -> None:
    assert replaced(f"a\n{BEGIN} old {END}\nb", "new") == "a\nnew\nb"


def test_rewriting_twice_changes_nothing() -> None:
    once = replaced(f"{BEGIN}{END}", block(REPORT))
    assert replaced(once, block(REPORT)) == once


def test_a_row_shows_value_target_floor_and_ratio() -> None:
    assert "| ingest | 13,000 events/s | ≥ 12,000 | 20,000 (bare ASGI) | 1.08 |" in block(REPORT)


def test_a_readme_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="put both marks"):
        replaced("no marks", "new")
