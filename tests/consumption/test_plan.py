"""From the rows of one look to what goes out and how far marks move: by tables."""

from __future__ import annotations

from datetime import date
from typing import Any

from hub.consumption.plan import Move, Plan, Row, plan

DAY, NEXT = date(2026, 1, 1), date(2026, 1, 2)
SCAN = 100


def event(seq: int, *, shard: int = 1, last: bool = False, n: int = 1, **more: Any) -> Row:
    given = {
        "upto": 0, "day": DAY, "kept": True, "today": NEXT, "seq_day": DAY, "first": 1, "wanted": True, "size": 1,
        "data": b"1", **more,
    }  # fmt: skip
    return Row(shard=shard, seq=seq, last=last, n=n, **given)


def end(seq: int, *, n: int = 1, **more: Any) -> Row:
    return event(seq, last=True, n=n, wanted=False, data=None, **more)


def nothing(*, shard: int = 1, **more: Any) -> Row:
    return Row(**{"shard": shard, "upto": 5, "day": NEXT, "kept": True, "today": NEXT, "seq": None, **more})


def planned(*rows: Row, limit: int = 10, most: int = 1000) -> Plan:
    return plan(rows, limit=limit, scan=SCAN, most=most)


def seqs(made: Plan) -> list[tuple[int, int | None]]:
    return [(row.shard, row.seq) for row in made.events]


def test_without_a_free_shard_there_is_nothing_and_no_more() -> None:
    made = planned()
    assert (made.events, made.moves, made.more) == ([], [], False)


def test_a_shard_with_nothing_in_it_stays_where_it_is() -> None:
    made = planned(nothing())
    assert (made.events, made.moves, made.more) == ([], [], False)


def test_the_day_of_an_idle_shard_follows_the_days() -> None:
    assert planned(nothing(day=DAY)).moves == [Move(1, 5, NEXT)]


def test_all_that_was_asked_for_is_leased_to_the_end_of_the_look() -> None:
    made = planned(event(3), event(5), end(9, n=9))
    assert seqs(made) == [(1, 3), (1, 5)]
    assert made.moves == [Move(1, 2, DAY, None, 5, 9, DAY)]
    assert (made.more, made.leased) == (False, [1])


def test_the_last_row_may_be_one_that_was_asked_for() -> None:
    made = planned(event(3), event(5, last=True, n=5))
    assert made.moves == [Move(1, 2, DAY, None, 5, 5, DAY)]


def test_the_mark_never_goes_back_before_where_it_was() -> None:
    assert planned(event(7, upto=6, last=True)).moves == [Move(1, 6, DAY, None, 7, 7, DAY)]


def test_what_nobody_asked_for_is_passed_over_without_a_lease() -> None:
    made = planned(end(9, n=9))
    assert made.moves == [Move(1, 9, NEXT)]
    assert (made.events, made.more, made.leased) == ([], False, [])


def test_a_look_that_came_to_its_bound_says_that_there_may_be_more() -> None:
    made = planned(end(100, n=SCAN))
    assert made.moves == [Move(1, 100, DAY)]
    assert made.more


def test_the_limit_cuts_between_events_and_the_lease_ends_there() -> None:
    made = planned(event(3), event(5), event(8), end(9), limit=2)
    assert seqs(made) == [(1, 3), (1, 5)]
    assert made.moves == [Move(1, 2, DAY, None, 5, 5, DAY)]
    assert made.more


def test_a_full_answer_leaves_later_shards_untouched() -> None:
    made = planned(event(3), end(4), event(6, shard=2), end(7, shard=2), limit=1)
    assert seqs(made) == [(1, 3)]
    assert [move.shard for move in made.moves] == [1]
    assert made.more


def test_a_full_answer_still_passes_over_what_nobody_asked_for_elsewhere() -> None:
    made = planned(event(3), end(4), end(7, shard=2), limit=1)
    assert made.moves == [Move(1, 2, DAY, None, 3, 4, DAY), Move(2, 7, NEXT)]
    assert not made.more


def test_bytes_cut_as_the_limit_does() -> None:
    made = planned(event(3), event(5, data=None), event(6, shard=2, data=None))
    assert seqs(made) == [(1, 3)]
    assert made.moves == [Move(1, 2, DAY, None, 3, 3, DAY)]
    assert made.more


def test_beyond_the_last_row_of_a_full_statement_nothing_is_known() -> None:
    made = planned(event(3), event(5), most=2)
    assert made.moves == [Move(1, 2, DAY, None, 5, 5, DAY)]
    assert made.more


def test_shards_share_one_answer_and_each_has_its_end() -> None:
    made = planned(event(3), end(4), nothing(shard=2), event(8, shard=3, last=True))
    assert seqs(made) == [(1, 3), (3, 8)]
    assert made.leased == [1, 3]


def test_a_gap_of_days_is_told_and_the_mark_waits_for_the_acknowledgement() -> None:
    made = planned(event(50, upto=7, kept=False, first=40), end(60, upto=7, kept=False, first=40))
    assert made.skipped == {1: 40}
    assert made.moves == [Move(1, 7, DAY, 40, 50, 60, DAY)]


def test_a_gap_is_told_without_an_event_too_and_not_before_there_is_one_again() -> None:
    assert planned(end(60, upto=7, kept=False, first=40)).skipped == {1: 40}
    made = planned(nothing(day=DAY, kept=False))
    assert (made.skipped, made.moves) == ({}, [])
