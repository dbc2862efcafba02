"""A subject's state is what its events add up to, at any moment, whatever is delivered twice or out of order."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.insights.changes import Change, Changes, Kind
from hub.insights.entity import (
    UNKNOWN,
    Event,
    Semantics,
    State,
    apply,
    closest,
    merge_patch,
    state_at,
    timeline,
)

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
DECLARED = {
    "order.*": Semantics.merge_patch,
    "order.placed": Semantics.snapshot,
    "order.archive.*": Semantics.snapshot,
}


def event(seq: int, type: str, data: Any) -> Event:
    return Event(seq, NOON + timedelta(minutes=seq), type, data)


STORY = [
    event(3, "order.placed", {"total": 10, "items": ["a"], "by": {"name": "Zoe", "vip": True}}),
    event(5, "order.paid", {"paid": True, "by": {"vip": None}}),
    event(6, "cart.seen", {"noise": 1}),
    event(8, "order.changed", {"items": ["a", "b"], "total": 12}),
    event(9, "order.deleted", None),
    event(12, "order.reopened", {"total": 1}),
]


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        # RFC 7396, appendix A, in its order.
        ('{"a":"b"}', '{"a":"c"}', '{"a":"c"}'),
        ('{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'),
        ('{"a":"b"}', '{"a":null}', "{}"),
        ('{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'),
        ('{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'),
        ('{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'),
        ('{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'),
        ('{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'),
        ('["a","b"]', '["c","d"]', '["c","d"]'),
        ('{"a":"b"}', '["c"]', '["c"]'),
        ('{"a":"foo"}', "null", "null"),
        ('{"a":"foo"}', '"bar"', '"bar"'),
        ('{"e":null}', '{"a":1}', '{"e":null,"a":1}'),
        ("[1,2]", '{"a":"b","c":null}', '{"a":"b"}'),
        ("{}", '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'),
        # Section 3.
        (
            '{"title":"Goodbye!","author":{"givenName":"John","familyName":"Doe"},"tags":["example","sample"],'
            '"content":"This will be unchanged"}',
            '{"title":"Hello!","phoneNumber":"+01-123-456-7890","author":{"familyName":null},'
            '"tags":["example"]}',
            '{"title":"Hello!","author":{"givenName":"John"},"tags":["example"],'
            '"content":"This will be unchanged","phoneNumber":"+01-123-456-7890"}',
        ),
        ("null", '{"a":1,"b":null}', '{"a":1}'),
        ('{"a":1}', "{}", '{"a":1}'),
        ('{"a":1}', '{"a":{"b":null,"c":{}}}', '{"a":{"c":{}}}'),
        ("{}", '{"a":[null,{"b":null}]}', '{"a":[null,{"b":null}]}'),
    ],
)
def test_a_merge_patch_does_what_the_rfc_says(target: str, patch: str, result: str) -> None:
    before, change = json.loads(target), json.loads(patch)
    assert json.dumps(merge_patch(before, change), separators=(",", ":")) == result
    assert (before, change) == (json.loads(target), json.loads(patch))


def test_a_patch_of_a_thousand_levels_is_no_trouble() -> None:
    patch: Any = {"x": 1, "y": None}
    for _ in range(1000):
        patch = {"a": patch}
    result = merge_patch(patch, patch)
    for _ in range(1000):
        result = result["a"]
    assert result == {"x": 1}


@pytest.mark.parametrize(
    ("minute", "value", "count"),
    [
        (0, None, 0),
        (2, None, 0),
        (3, {"total": 10, "items": ["a"], "by": {"name": "Zoe", "vip": True}}, 1),
        (4, {"total": 10, "items": ["a"], "by": {"name": "Zoe", "vip": True}}, 1),
        (7, {"total": 10, "items": ["a"], "by": {"name": "Zoe"}, "paid": True}, 2),
        (8, {"total": 12, "items": ["a", "b"], "by": {"name": "Zoe"}, "paid": True}, 3),
        (11, None, 4),
        (99, {"total": 1}, 5),
    ],
)
def test_the_state_at_a_moment_is_what_was_known_then(minute: int, value: Any, count: int) -> None:
    found = state_at(STORY, at=NOON + timedelta(minutes=minute), declared=DECLARED)
    assert (found.value, found.count) == (value, count)
    assert found.exists is (value is not None)


def test_a_state_tells_the_event_it_is_of() -> None:
    assert state_at(STORY, at=NOON, declared=DECLARED) == UNKNOWN == State(None, -1, None, 0)
    found = state_at(STORY, at=NOON + timedelta(minutes=7), declared=DECLARED)
    assert (found.seq, found.at) == (5, NOON + timedelta(minutes=5))


def test_a_timeline_tells_what_each_event_changed() -> None:
    entries = list(timeline(STORY, declared=DECLARED))
    assert [(entry.event.seq, str(entry.changes)) for entry in entries] == [
        (3, "added all of it"),
        (5, "removed /by/vip, added /paid"),
        (8, "changed /total, added /items/1"),
        (9, "removed all of it"),
        (12, "added all of it"),
    ]
    assert entries[-1].state == state_at(STORY, at=NOON + timedelta(days=1), declared=DECLARED)
    assert entries[3].changes == Changes((Change(Kind.removed, ""),), 0)


def test_a_timeline_may_go_on_from_a_state_and_list_less() -> None:
    state = state_at(STORY, at=NOON + timedelta(minutes=5), declared=DECLARED)
    (first, *_) = timeline(STORY, declared=DECLARED, state=state, most=1)
    assert (first.event.seq, str(first.changes)) == (8, "changed /total and 1 more")
    same = [event(13, "order.placed", {"total": 1}), event(14, "order.x", {})]
    state = state_at(STORY, at=NOON + timedelta(days=1), declared=DECLARED)
    told = [
        (str(entry.changes), entry.state.count) for entry in timeline(same, declared=DECLARED, state=state)
    ]
    assert told == [("nothing changed", 6), ("nothing changed", 7)]


@pytest.mark.parametrize(
    ("data", "semantics", "value"),
    [
        ({"b": 2}, Semantics.snapshot, {"b": 2}),
        ({"b": 2}, Semantics.merge_patch, {"a": 1, "b": 2}),
        ({"a": None}, Semantics.snapshot, {"a": None}),
        ({"a": None}, Semantics.merge_patch, {}),
        (None, Semantics.snapshot, None),
        (None, Semantics.merge_patch, None),
        ([1], Semantics.merge_patch, [1]),
        (0, Semantics.snapshot, 0),
        ("", Semantics.merge_patch, ""),
        (False, Semantics.snapshot, False),
    ],
)
def test_data_is_the_state_or_patches_it_and_null_ends_it(
    data: Any, semantics: Semantics, value: Any
) -> None:
    before = State({"a": 1}, 4, NOON, 2)
    after = apply(before, event(5, "order.x", data), semantics)
    assert after == State(value, 5, NOON + timedelta(minutes=5), 3)
    assert after.exists is (data is not None)
    assert before == State({"a": 1}, 4, NOON, 2)


@pytest.mark.parametrize("seq", [5, 4, 0])
def test_what_was_told_already_changes_nothing(seq: int) -> None:
    state = State({"a": 1}, 5, NOON, 2)
    assert apply(state, event(seq, "order.x", None), Semantics.snapshot) is state


@pytest.mark.parametrize(
    ("type", "semantics"),
    [
        ("order.placed", Semantics.snapshot),
        ("order.paid", Semantics.merge_patch),
        ("order.archive.old", Semantics.snapshot),
        ("order", None),
        ("cart.seen", None),
    ],
)
def test_the_closest_pattern_declares_a_type(type: str, semantics: Semantics | None) -> None:
    assert closest(type, DECLARED) is semantics


def test_a_star_declares_all_but_the_hubs_own() -> None:
    declared = {"*": Semantics.snapshot}
    assert closest("cart.seen", declared) is Semantics.snapshot
    assert closest("hub.delivery.dead", declared) is None


MEMBERS = st.dictionaries(
    st.sampled_from("abc"),
    st.none() | st.integers(0, 2) | st.dictionaries(st.sampled_from("xy"), st.none() | st.integers(0, 2)),
)
STORIES = st.lists(
    st.builds(
        event,
        st.integers(0, 12),
        st.sampled_from(["order.placed", "order.paid", "cart.seen"]),
        st.none() | MEMBERS | st.lists(st.integers(0, 2), max_size=2),
    ),
    max_size=8,
    unique_by=lambda event: event.seq,
)


@settings(deadline=None, max_examples=300)
@given(STORIES, st.randoms(use_true_random=False), st.integers(0, 13))
def test_order_and_repeats_change_nothing(events: list[Event], random: Any, minute: int) -> None:
    kept = deepcopy(events)
    moment = NOON + timedelta(minutes=minute)
    expected = state_at(events, at=moment, declared=DECLARED)
    shuffled = events + events
    random.shuffle(shuffled)
    assert state_at(shuffled, at=moment, declared=DECLARED) == expected
    assert state_at(shuffled, at=moment, declared=DECLARED, state=expected) == expected
    entries = list(timeline(shuffled, declared=DECLARED))
    assert entries == list(timeline(events, declared=DECLARED))
    assert [entry.state for entry in entries if entry.state.seq == expected.seq] in ([], [expected])
    assert events == kept
