"""Cells are forgotten by the days that their grain is kept, however many there are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hub.eventlog.selectors import fetch
from hub.insights import tasks
from hub.insights.folds import EVENTS
from tests.eventlog.rows import insert


def test_each_grain_is_kept_for_its_own_time(db: None, own_env: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "BATCH", 2)
    now = datetime.now(UTC)
    for grain in range(3):
        for days in (1, 3, 4, 5, 61, 1_101):
            insert(
                EVENTS.table, env=own_env, kind=0, ref="", grain=grain, at=now - timedelta(days=days), shard=1,
                **dict.fromkeys(EVENTS.columns, 0),
            )  # fmt: skip
    tasks.trim()
    left = fetch(
        f"select grain, count(*) from {EVENTS.table} where env = %s group by 1 order by 1", [own_env]
    )
    assert left == [(0, 1), (1, 4), (2, 5)]
    assert tasks.trim() == 0
