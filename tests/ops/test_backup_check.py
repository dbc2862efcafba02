"""What `backup-check` says of a database: its age, its offsets, and what would go out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hub.ops import backup_check
from tests.ops.log import Log

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("event", "attempt", "level", "words"),
    [
        (None, None, "warn", "backup you meant"),
        (NOW - timedelta(hours=2), None, "ok", "7200 s before now"),
        (NOW - timedelta(hours=2), NOW - timedelta(hours=1), "ok", "3600 s before now"),
    ],
)
def test_the_age_is_that_of_the_last_thing_that_happened(
    event: datetime | None, attempt: datetime | None, level: str, words: str
) -> None:
    found = backup_check.age(now=NOW, event=event, attempt=attempt)
    assert found.level == level
    assert words in found.text()


def test_offsets_that_would_come_again_are_a_failure_with_its_remedy() -> None:
    assert backup_check.sequence(highest=10, last=10).level == "ok"
    found = backup_check.sequence(highest=11, last=10)
    assert found.level == "fail"
    assert "setval('event_seq', 1000011)" in found.do


def test_what_would_go_out_is_counted_from_the_tables(log: Log) -> None:
    first, second = log.events(5, 2)
    log.route(5, [first], pairs=1)
    log.do(
        "insert into parcel (shard, sub, src, first_seq, day, seqs) values (5, 1, 5, %s, current_date, %s)",
        first,
        [first],
    )
    found = {finding.name: finding for finding in backup_check._tables(log.connection)}
    assert "up to 1 deliveries wait for 1 subscriptions" in found["to be sent"].detail
    assert "1 events are not routed" in found["to be sent"].detail
    assert found["offsets"].detail == f"events go up to {second}"
    assert found["age"].level == "ok"
