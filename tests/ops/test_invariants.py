"""The count of every event to its deliveries: sound logs are found sound, and each kind of gap is found and
named.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta

import pytest
from django.core.management import CommandError, call_command

from hub.core import ids
from hub.ops.invariants import Report, check
from hub.ops.session import session
from tests.ops.log import Log


def sound(log: Log) -> dict[str, list[int]]:
    """Two shards, two subscriptions: delivered, dead after a retry, retrying, waiting, matched by nobody."""
    a, b = log.events(3, 5), log.events(7, 2)
    log.route(3, a[:3], pairs=4, unmatched=[a[2]])
    log.route(3, [], pairs=0)
    log.route(3, a[3:], pairs=2)
    log.route(7, b, pairs=2)
    log.parcel(3, 1, a[:2])
    log.attempt(3, 1, a[0])
    log.attempt(3, 2, a[0], finish=0)
    log.attempt(3, 2, a[0], finish=2, n=2)
    log.attempt(3, 2, a[1], finish=0)
    log.due(3, 2, a[1])
    log.parcel(3, 1, a[3:])
    log.attempt(7, 9, b[0])
    log.due(7, 9, b[1], held=True)
    return {"a": a, "b": b}


def gaps(report: Report) -> dict[str, int]:
    return {finding.rule: finding.gaps for finding in report.findings if finding.gaps}


def test_an_empty_log_is_sound(log: Log) -> None:
    report = check()
    assert report.sound
    assert report.totals["events routed"] == 0


def test_a_sound_log_is_counted_exactly(log: Log) -> None:
    sound(log)
    log.events(3, 2)
    log.events(50, 3)
    report = check()
    assert gaps(report) == {}
    assert report.totals == {
        "shards checked": 2,
        "events routed": 7,
        "events not routed yet": 5,
        "events nobody matched": 1,
        "deliveries by routing": 8,
        "dropped with their subscription": 0,
        "  waiting": 3,
        "  retrying": 1,
        "  held": 1,
        "  delivered": 2,
        "  dead": 1,
    }


Breach = Callable[[Log, list[int]], object]
BREACHES: list[tuple[str, Breach, dict[str, int]]] = [
    ("an attempt is gone, its parcel not", lambda log, a: erase(log, f"attempt where sub = 1 and seq = {a[0]}"), {}),
    ("a parcel is gone", lambda log, a: log.do("delete from parcel where first_seq = %s", a[3]), {"lost": 2, "pairs": 2}),
    ("a due is gone", lambda log, a: log.do("delete from due where held"), {"lost": 1, "pairs": 1}),
    ("a delivery too many", lambda log, a: log.parcel(3, 5, [a[0]]), {"pairs": 1}),
    ("delivered though unmatched", lambda log, a: log.parcel(3, 5, [a[2]]), {"pairs": 1, "unmatched": 1}),
    ("an event is gone", lambda log, a: erase(log, f"event where seq = {a[4]}"), {"events": 1, "unrouted": 1}),
    ("ended twice", lambda log, a: log.attempt(3, 1, a[0]), {"ends": 1}),
    ("tried after the end", lambda log, a: log.attempt(3, 1, a[0], finish=0, n=2), {"after": 1}),
    ("ended and due", lambda log, a: log.due(3, 1, a[0]), {"both": 1}),
    ("a run that ended and is due", lambda log, a: log.finished_and_due(3, 1, a[0]), {"both": 1}),
    ("a delivery of nothing", lambda log, a: log.attempt(3, 1, 10**9), {"unrouted": 1, "pairs": 1}),
    ("a step of more than there is", lambda log, a: log.route(7, [10**9], pairs=0), {"events": 1}),
]  # fmt: skip


def erase(log: Log, which: str) -> None:
    with log.connection.transaction():
        table = which.split()[0]
        log.do(f"alter table {table} disable trigger append_only")
        log.do(f"delete from {which}")
        log.do(f"alter table {table} enable trigger append_only")


@pytest.mark.parametrize(("name", "breach", "found"), BREACHES, ids=[name for name, _, _ in BREACHES])
def test_each_gap_is_found(log: Log, name: str, breach: Breach, found: dict[str, int]) -> None:
    breach(log, sound(log)["a"])
    assert gaps(check()) == found


def test_a_gap_is_named(log: Log) -> None:
    seqs = sound(log)
    log.do("delete from parcel where first_seq = %s", seqs["a"][3])
    log.attempt(3, 1, seqs["a"][0], run=0)
    (event,) = log.do("select event_id from attempt where sub = 1 and seq = %s limit 1", seqs["a"][0])
    found = {finding.rule: finding.examples for finding in check().findings}
    assert found["lost"] == [
        f"{ids.encode('evt', log.id_of(seq).bytes)} (shard 3, number {seq})" for seq in seqs["a"][3:]
    ]
    assert found["pairs"] == ["shard 3: 2 missing"]
    assert found["ends"] == [ids.delivery_id(event[0].bytes, 1, 0)]


def test_a_broken_chain_of_steps_is_found(log: Log) -> None:
    a = log.events(3, 3)
    log.route(3, a[:1], pairs=0, unmatched=a[:1])
    log._steps[3] = (1, a[1])
    log.route(3, a[2:], pairs=0, unmatched=a[2:])
    report = check()
    assert gaps(report) == {"chain": 1, "events": 1, "lost": 1}
    told = {finding.rule: finding.examples for finding in report.findings}["chain"]
    assert told == [f"shard 3: step 2 goes from {a[1]} to {a[2]} with 1 events, after step 1 to {a[0]}"]


def test_the_step_that_skipped_an_event_is_named(log: Log) -> None:
    a = log.events(3, 3)
    log.route(3, a[:1], pairs=0, unmatched=a[:1])
    log.route(3, a[1:], pairs=0, unmatched=a[2:], events=1)
    report = check()
    assert gaps(report) == {"events": 1, "lost": 1}
    told = {finding.rule: finding.examples for finding in report.findings}["events"]
    assert told == [f"shard 3: step 2 ({a[0]}, {a[2]}] routed 1 events; the log has 2"]


def test_what_went_with_its_subscription_is_no_gap_and_no_more_than_that(log: Log) -> None:
    a = sound(log)["a"]
    log.do("delete from parcel where first_seq = %s", a[3])
    log.do("insert into ended (sub, shard, waiting) values (1, 3, 2)")
    log.do("delete from parcel where sub = 1")
    report = check()
    # Nobody knows a subscription 1 in environment 1, so its events are not excused; the pairs are.
    assert gaps(report) == {"lost": 2, "pairs": 1}
    log.do("update ended set waiting = 3")
    assert gaps(check()) == {"lost": 2}


def test_what_waits_for_an_ended_subscription_is_found(log: Log) -> None:
    sound(log)
    log.do("insert into ended (sub, shard, waiting) values (9, 7, 0)")
    assert gaps(check()) == {"orphans": 1}


def test_a_key_without_its_event_is_found(log: Log) -> None:
    (seq,) = log.events(3)
    log.route(3, [seq], pairs=0, unmatched=[seq])
    add = "insert into idempotency (env, key, hash, event_id) values (1, %s, '', %s)"
    log.do(add, b"good", log.id_of(seq))
    assert check().sound
    log.do(add, b"bad", "01890000-0000-7000-8000-000000000000")
    assert gaps(check()) == {"keys": 1}


def test_a_requeue_without_its_delivery_is_found(log: Log) -> None:
    a = sound(log)["a"]
    (row,) = log.do(
        "insert into command (env, shard, sub, kind, seq, src, day, run, actor, applied_at, result)"
        " values (1, 3, 2, 'requeue', %s, 3, current_date, 0, 'x', now(), 'queued as run 1') returning id",
        a[0],
    )
    assert gaps(check()) == {"requeues": 1}
    log.parcel(3, 2, [a[0]], run=row[0])
    assert gaps(check()) == {}


def test_a_later_day_leaves_the_earlier_ones_out(log: Log) -> None:
    sound(log)
    log.do("delete from parcel")
    tomorrow = date.fromisoformat(str(log.do("select current_date + 1")[0][0]))
    report = check(since=tomorrow)
    assert (report.sound, report.totals["events routed"]) == (True, 0)
    assert not check(since=tomorrow - timedelta(days=1)).sound


def test_it_is_right_while_a_commit_is_under_way(log: Log) -> None:
    a = sound(log)["a"]
    with session(name="test", autocommit=False) as other:
        other.execute("delete from parcel where first_seq = %s", [a[3]])
        assert check().sound
        other.rollback()


def test_the_command_prints_a_table_or_json_and_ends_with_1_on_a_gap(
    log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    sound(log)
    call_command("check-invariants")
    assert "Every accepted event is accounted for." in capsys.readouterr().out
    log.do("delete from due where held")
    with pytest.raises(SystemExit) as ended:
        call_command("check-invariants", "--json")
    assert ended.value.code == 1
    document = json.loads(capsys.readouterr().out)
    assert document["sound"] is False
    assert {f["rule"]: f["gaps"] for f in document["findings"] if f["gaps"]} == {"lost": 1, "pairs": 1}
    with pytest.raises(CommandError, match="--since must be a day such as 2026-01-31, not 'x'"):
        call_command("check-invariants", since="x")
