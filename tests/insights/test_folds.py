"""What is folded is what a naive count gives, in whatever pieces it comes; and a refused fact leaves nothing behind."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.delivery.outcome import Reason
from hub.insights import histogram
from hub.insights.cells import Cell, Grain, Key, Kind, keys
from hub.insights.folds import DELIVERIES, EVENTS, Attempt, Group, Routed, fold_attempt, fold_event, minute_of

ENDS = {1: "delivered", 2: "dead", 3: "cancelled", 4: "expired", 5: "other_ends", 6: "other_ends"}
AT = 1_764_028_800.0

facts = st.lists(
    st.builds(
        Attempt, shard=st.integers(0, 2), pos=st.integers(1, 9), env=st.integers(1, 2), sub=st.integers(1, 3), run=st.integers(0, 1),
        n=st.integers(1, 3), at=st.floats(AT, AT + 200_000), reason=st.integers(0, len(Reason) - 1), finish=st.integers(0, 6),
        total_us=st.none() | st.integers(0, 90_000_000), size=st.integers(0, 5_000), sent=st.booleans(),
        consumer=st.none() | st.integers(1, 2), type=st.none() | st.sampled_from(["a", "a.b"]), event_size=st.none() | st.integers(0, 9_999),
        created=st.none() | st.floats(AT - 5_000, AT + 200_000),
    ),
    max_size=60,
)  # fmt: skip


def cells_of(groups: dict[Group, Cell]) -> dict[Key, Cell]:
    found: dict[Key, Cell] = {}
    for group, cell in groups.items():
        for key in keys(env=group.env, shard=group.shard, minute=group.minute, refs=group.refs()):
            found.setdefault(key, DELIVERIES.cell()).merge(cell)
    return found


@given(facts)
def test_attempts_are_counted_as_by_hand(attempts: list[Attempt]) -> None:
    groups: dict[Group, Cell] = {}
    for fact in attempts:
        fold_attempt(groups, fact)
    found = cells_of(groups)
    for grain in Grain:
        for env in (1, 2):
            mine = [fact for fact in attempts if fact.env == env]
            some = [
                cell
                for key, cell in found.items()
                if (key.env, key.kind, key.grain) == (env, Kind.environment, grain)
            ]
            named = [dict(zip(DELIVERIES.sums, cell.sums, strict=True)) for cell in some]
            sent = [fact for fact in mine if fact.sent]
            assert sum(row["attempts"] for row in named) == len(sent)
            assert sum(row["failures"] for row in named) == sum(fact.reason != 0 for fact in sent)
            assert sum(row["retries"] for row in named) == sum(fact.n > 1 for fact in sent)
            assert sum(row["bytes_sent"] for row in named) == sum(fact.event_size or 0 for fact in sent)
            ends = Counter(ENDS[fact.finish] for fact in mine if fact.finish)
            assert {name: sum(row[name] for row in named) for name in ENDS.values()} == {
                name: ends[name] for name in ENDS.values()
            }
            reasons = histogram.merge(*(cell.maps[0] for cell in some))
            assert reasons == Counter(fact.reason for fact in mine)
            timed = [fact.total_us for fact in sent if fact.total_us is not None]
            assert sum(histogram.merge(*(cell.maps[1] for cell in some)).values()) == len(timed)
            assert max((cell.most[1] for cell in some), default=0) == max(timed, default=0)


@given(facts, st.integers(1, 7))
def test_pieces_merge_to_the_whole(attempts: list[Attempt], size: int) -> None:
    at_once: dict[Group, Cell] = {}
    for fact in attempts:
        fold_attempt(at_once, fact)
    merged: dict[Key, Cell] = {}
    for piece in (attempts[start : start + size] for start in range(0, len(attempts), size)):
        groups: dict[Group, Cell] = {}
        for fact in piece:
            fold_attempt(groups, fact)
        for key, cell in cells_of(groups).items():
            merged.setdefault(key, DELIVERIES.cell()).merge(cell)
    assert merged == cells_of(at_once)


@given(facts)
def test_a_fact_counts_once_for_each_kind_in_each_grain_and_within_it(attempts: list[Attempt]) -> None:
    groups: dict[Group, Cell] = {}
    for fact in attempts:
        fold_attempt(groups, fact)
    by: Counter[tuple[int, int]] = Counter()
    for key, cell in cells_of(groups).items():
        assert key.at % Grain(key.grain).seconds == 0
        by[key.kind, key.grain] += sum(cell.maps[0].values())
    for grain in Grain:
        assert by[Kind.environment, grain] == by[Kind.subscription, grain] == len(attempts)
        assert by[Kind.consumer, grain] == sum(fact.consumer is not None for fact in attempts)
        assert by[Kind.type, grain] == sum(fact.type is not None for fact in attempts)


@pytest.mark.parametrize(("reason", "finish"), [(len(Reason), 0), (-1, 0), (0, 7), (0, -1)])
def test_a_number_that_nothing_has_is_refused_and_leaves_nothing(reason: int, finish: int) -> None:
    groups: dict[Group, Cell] = {}
    with pytest.raises(ValueError, match="has the number"):
        fold_attempt(groups, Attempt(1, 1, 1, 1, 0, 1, AT, reason, finish, 5, 0, True, None, "a", 1, AT))
    assert groups == {}


@given(st.lists(st.builds(
    Routed, shard=st.integers(0, 1), step=st.integers(1, 5), env=st.just(1), consumer=st.none() | st.integers(1, 2),
    type=st.sampled_from(["a", "b"]), size=st.integers(0, 999), created=st.floats(AT, AT + 9_000), unmatched=st.booleans(),
), max_size=40))  # fmt: skip
def test_events_are_counted_in_the_minute_of_their_acceptance(events: list[Routed]) -> None:
    groups: dict[Group, Cell] = {}
    for fact in events:
        fold_event(groups, fact)
    by_minute = Counter(minute_of(fact.created) for fact in events)
    found: Counter[int] = Counter()
    for group, cell in groups.items():
        found[group.minute] += cell.sums[0]
    assert found == by_minute
    assert sum(cell.sums[1] for cell in groups.values()) == sum(fact.size for fact in events)
    assert sum(cell.sums[2] for cell in groups.values()) == sum(fact.unmatched for fact in events)
    assert EVENTS.sums == ("events", "bytes", "unmatched")
