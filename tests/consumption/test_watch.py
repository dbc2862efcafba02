"""Who is woken for what: by stories, without a loop or a database."""

from __future__ import annotations

from datetime import date

from hub.consumption.filtering import Filter
from hub.consumption.watch import Seen, State, Watch

DAY = date(2026, 1, 1)
ORDERS = Filter(1, None, ("order.*",))
USERS = Filter(1, None, ("user.*",))


def seen(seq: int, *, shard: int = 3, env: int = 1, type: str = "order.made") -> Seen:
    return Seen(shard, seq, env, type, None, None)


def mark(position: int = 1, *, shard: int = 3, upto: int = 10, free: bool = True) -> State:
    return State(position, shard, upto, DAY, free)


def waiting(*readers: str, asked: Filter = ORDERS, position: int = 1) -> Watch[str]:
    watch: Watch[str] = Watch()
    for reader in readers:
        watch.add(position, asked, reader)
    watch.told([mark(position)])
    return watch


def test_an_event_that_was_asked_for_wakes_the_first_reader_once() -> None:
    watch = waiting("a", "b")
    watch.saw([seen(11)])
    assert watch.wake(now=1.0) == ["a"]
    assert watch.wake(now=1.1) == []
    assert len(watch) == 1


def test_an_event_that_nobody_asked_for_wakes_nobody_and_is_looked_at_once() -> None:
    watch = waiting("a")
    watch.saw([seen(11, type="user.made"), seen(12, env=2)])
    assert watch.wake(now=1.0) == []
    assert watch.bounds() == [(3, 12, DAY)]


def test_what_the_first_did_not_take_wakes_the_next_after_a_while() -> None:
    watch = waiting("a", "b")
    watch.saw([seen(11)])
    watch.wake(now=1.0)
    assert watch.wake(now=1.9) == []
    assert watch.wake(now=2.0) == ["b"]


def test_what_is_leased_waits_until_it_is_free_again() -> None:
    watch = waiting("a")
    watch.told([mark(free=False)])
    watch.saw([seen(11)])
    assert watch.wake(now=1.0) == []
    watch.told([mark(free=True)])
    assert watch.wake(now=1.0) == ["a"]


def test_what_was_acknowledged_wakes_nobody_but_what_came_behind_it_does_at_once() -> None:
    watch = waiting("a", "b", "c")
    watch.saw([seen(11)])
    assert watch.wake(now=1.0) == ["a"]
    watch.told([mark(upto=11)])
    assert watch.wake(now=1.1) == []
    watch.saw([seen(12)])
    assert watch.wake(now=1.1) == ["b"]
    watch.saw([seen(13)])
    watch.told([mark(upto=12)])
    assert watch.wake(now=1.2) == ["c"]


def test_each_shard_with_something_wakes_one_reader() -> None:
    watch = waiting("a", "b", "c")
    watch.told([mark(shard=4)])
    watch.saw([seen(11), seen(12, shard=4)])
    assert watch.wake(now=1.0) == ["a", "b"]


def test_each_position_has_readers_of_its_own() -> None:
    watch = waiting("a")
    watch.add(2, ORDERS, "b")
    watch.add(3, USERS, "c")
    watch.told([mark(2), mark(3)])
    watch.saw([seen(11)])
    assert watch.wake(now=1.0) == ["a", "b"]


def test_a_position_that_was_sought_back_has_all_of_it_before_it_again() -> None:
    watch = waiting("a")
    watch.saw([seen(20, type="user.made")])
    watch.told([mark(upto=2)])
    assert watch.bounds() == [(3, 2, DAY)]
    watch.saw([seen(5)])
    assert watch.wake(now=1.0) == ["a"]


def test_events_from_before_its_place_are_nothing_to_it() -> None:
    watch = waiting("a")
    watch.add(2, ORDERS, "b")
    watch.told([mark(2, upto=4)])
    assert watch.bounds() == [(3, 4, DAY)]
    watch.saw([seen(6)])
    assert watch.wake(now=1.0) == ["b"]


def test_bounds_are_for_shards_in_which_somebody_waits() -> None:
    watch = waiting("a")
    assert watch.bounds(frozenset({3, 9})) == [(3, 10, DAY)]
    assert watch.bounds(frozenset({9})) == []
    assert watch.shards() == {3}


def test_who_leaves_leaves_nothing() -> None:
    watch: Watch[str] = Watch()
    number = watch.add(1, ORDERS, "a")
    watch.told([mark()])
    watch.saw([seen(11)])
    watch.remove(1, number)
    watch.remove(1, number)
    assert (len(watch), watch.groups, watch.wake(now=1.0), watch.of(1)) == (0, {}, [], 0)


def test_a_changed_filter_counts_from_the_next_reader_on() -> None:
    watch = waiting("a")
    watch.saw([seen(11, type="user.made")])
    watch.add(1, USERS, "b")
    watch.told([mark()])
    watch.saw([seen(11, type="user.made")])
    assert watch.wake(now=1.0) == ["a"]
    assert watch.of(1) == 1


def test_a_mark_of_nobody_who_waits_is_let_pass() -> None:
    watch = waiting("a")
    watch.told([mark(99)])
    assert watch.groups.keys() == {1}
