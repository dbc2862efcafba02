"""The index finds what a naive walk over all subscriptions finds, and walks none that don't match."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hub.routing.matching import Condition, Matcher, Sub, explain


def sub(
    sub_id: int,
    *patterns: str,
    consumer: int | None = None,
    channels: tuple[str, ...] = (),
    active: bool = True,
) -> Sub:
    return Sub(
        id=sub_id, shard=3, consumer=consumer, patterns=patterns, channels=frozenset(channels), active=active
    )


def ids(
    matcher: Matcher, type: str, consumer: int | None = None, channels: tuple[str, ...] | None = None
) -> list[int]:
    carried = None if channels is None else frozenset(channels)
    return [found.id for found in matcher.match(type=type, consumer=consumer, channels=carried)]


def test_each_kind_of_pattern_is_found() -> None:
    matcher = Matcher(
        [sub(4, "*"), sub(3, "order.*"), sub(2, "order.line.*"), sub(1, "order.created"), sub(5, "hub.*")]
    )
    assert ids(matcher, "order.created") == [1, 3, 4]
    assert ids(matcher, "order.line.added") == [2, 3, 4]
    assert ids(matcher, "order") == [4]
    assert ids(matcher, "hub.delivery.dead") == [5]


def test_a_subscription_is_found_once_however_many_of_its_patterns_and_channels_match() -> None:
    matcher = Matcher([sub(1, "*", "a.*", "a.b", "a.b", channels=("x", "y"))])
    assert ids(matcher, "a.b", channels=("x", "y", "z")) == [1]


def test_an_event_of_a_consumer_never_reaches_another() -> None:
    matcher = Matcher([sub(1, "*"), sub(2, "*", consumer=7), sub(3, "*", consumer=8)])
    assert ids(matcher, "a", consumer=7) == [1, 2]
    assert ids(matcher, "a", consumer=8) == [1, 3]
    assert ids(matcher, "a", consumer=9) == [1]
    assert ids(matcher, "a") == [1]


@pytest.mark.parametrize(
    ("channels", "expected"),
    [(None, [1]), ((), [1]), (("x",), [1, 2]), (("y",), [1, 2, 3]), (("x", "y"), [1, 2, 3]), (("z",), [1])],
)
def test_channels_narrow_only_who_has_some(channels: tuple[str, ...] | None, expected: list[int]) -> None:
    matcher = Matcher([sub(1, "*"), sub(2, "*", channels=("x", "y")), sub(3, "*", channels=("y",))])
    assert ids(matcher, "a", channels=channels) == expected


def test_an_inactive_one_is_known_but_never_found() -> None:
    matcher = Matcher([sub(1, "*", active=False)])
    assert (len(matcher), 1 in matcher, ids(matcher, "a")) == (1, True, [])
    matcher.replace(sub(1, "*"))
    assert ids(matcher, "a") == [1]


def test_a_change_is_in_force_with_the_next_event_in_spite_of_the_cache() -> None:
    matcher = Matcher()
    assert ids(matcher, "a") == []
    matcher.add(sub(1, "*"))
    assert ids(matcher, "a") == [1]
    matcher.replace(sub(1, "b", consumer=7))
    assert (ids(matcher, "a"), ids(matcher, "b"), ids(matcher, "b", consumer=7)) == ([], [], [1])
    matcher.remove(1)
    assert (ids(matcher, "b", consumer=7), len(matcher)) == ([], 0)


def test_the_same_question_is_answered_from_memory() -> None:
    matcher = Matcher([sub(1, "*")])
    first = matcher.match(type="a", consumer=None, channels=frozenset({"x"}))
    assert matcher.match(type="a", consumer=None, channels=frozenset({"x"})) is first


def test_the_memory_is_bounded() -> None:
    matcher = Matcher([sub(1, "*")], cache_size=10)
    for number in range(105):
        assert ids(matcher, f"t{number}") == [1]
    assert len(matcher._cache) == 5


def test_adding_one_twice_or_removing_a_stranger_is_an_error() -> None:
    matcher = Matcher([sub(1, "*")])
    with pytest.raises(ValueError, match="subscription 1 is there already; replace it"):
        matcher.add(sub(1, "a"))
    with pytest.raises(KeyError):
        matcher.remove(2)
    assert ids(matcher, "a") == [1]


class CountedDict(dict[int, Sub]):
    """Tells how many subscriptions were walked."""

    walked = 0

    def keys(self):  # type: ignore[no-untyped-def]
        CountedDict.walked += len(self)
        return super().keys()

    def __iter__(self):  # type: ignore[no-untyped-def]
        CountedDict.walked += len(self)
        return super().__iter__()


def test_ten_thousand_consumers_and_channels_cost_an_event_of_one_nothing() -> None:
    matcher = Matcher(sub(n, "*", "order.*", consumer=n) for n in range(10_000))
    for n in range(10_000):
        matcher.add(sub(10_000 + n, "*", channels=(f"c{n}",)))
        matcher.add(sub(20_000 + n, f"type{n}.*"))
    for buckets in matcher._scopes.values():
        for bucket in buckets.values():
            bucket.anywhere = CountedDict(bucket.anywhere)
            bucket.by_channel = {name: CountedDict(subs) for name, subs in bucket.by_channel.items()}
    assert ids(matcher, "order.created", consumer=77, channels=("c5",)) == [77, 10_005]
    assert CountedDict.walked <= 3


TYPES = st.sampled_from(["a", "a.b", "a.b.c", "b", "hub.a", "hub.a.b", "hub"])
PATTERNS = st.sampled_from(["*", "a", "a.*", "a.b", "a.b.*", "b", "hub.*", "hub.a", "hub.a.*"])
CONSUMERS = st.none() | st.integers(1, 3)
CHANNELS = st.frozensets(st.sampled_from(["x", "y", "z"]), max_size=3)
SUBS = st.builds(
    Sub,
    id=st.integers(1, 12),
    shard=st.integers(0, 63),
    consumer=CONSUMERS,
    patterns=st.lists(PATTERNS, max_size=4).map(tuple),
    channels=CHANNELS,
    active=st.sampled_from([True, True, True, False]),
)


def naive(one: Sub, type: str, consumer: int | None, channels: frozenset[str] | None) -> bool:
    """The rules once more, word for word and without the package's own code."""
    segments = type.split(".")
    asked = False
    for pattern in one.patterns:
        wanted = pattern.split(".")
        if pattern == "*":
            asked |= not (segments[0] == "hub" and len(segments) > 1)
        elif wanted[-1] == "*":
            asked |= len(segments) >= len(wanted) and segments[: len(wanted) - 1] == wanted[:-1]
        else:
            asked |= segments == wanted
    reaches = one.consumer is None or one.consumer == consumer
    tuned = len(one.channels) == 0 or any(channel in one.channels for channel in channels or ())
    return one.active and asked and reaches and tuned


@settings(max_examples=200, deadline=None)
@given(one=SUBS, type=TYPES, consumer=CONSUMERS, channels=st.none() | CHANNELS)
def test_an_explanation_is_good_exactly_where_it_matches(
    one: Sub, type: str, consumer: int | None, channels: frozenset[str] | None
) -> None:
    conditions = explain(one, type=type, consumer=consumer, channels=channels)
    assert [condition.name for condition in conditions] == ["state", "consumer", "type", "channels"]
    assert all(condition.ok for condition in conditions) is naive(one, type, consumer, channels)


def test_an_explanation_names_what_was_wanted_and_what_was_found() -> None:
    one = sub(1, "order.*", "invoice.paid", consumer=7, channels=("y", "x"), active=False)
    assert explain(one, type="user.created", consumer=None, channels=frozenset({"z", "w"})) == [
        Condition("state", "active or paused", "disabled", False),
        Condition("consumer", "7", "none", False),
        Condition("type", "order.* or invoice.paid", "user.created", False),
        Condition("channels", "x or y", "w, z", False),
    ]
    assert explain(sub(1, "*"), type="user.created", consumer=3) == [
        Condition("state", "active or paused", "active or paused", True),
        Condition("consumer", "any", "3", True),
        Condition("type", "*", "user.created", True),
        Condition("channels", "any", "none", True),
    ]


class Index(RuleBasedStateMachine):
    """Any changes and any events in any order: always what the naive walk finds, and nothing left behind."""

    def __init__(self) -> None:
        super().__init__()
        self.matcher = Matcher(cache_size=5)
        self.model: dict[int, Sub] = {}

    @rule(one=SUBS)
    def one_is_added_or_replaced(self, one: Sub) -> None:
        if one.id in self.model:
            self.matcher.replace(one)
        else:
            self.matcher.add(one)
        self.model[one.id] = one

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def one_is_removed(self, data: st.DataObject) -> None:
        gone = data.draw(st.sampled_from(sorted(self.model)))
        self.matcher.remove(gone)
        del self.model[gone]

    @rule(type=TYPES, consumer=CONSUMERS, channels=st.none() | CHANNELS)
    def an_event_comes(self, type: str, consumer: int | None, channels: frozenset[str] | None) -> None:
        expected = [
            self.model[n] for n in sorted(self.model) if naive(self.model[n], type, consumer, channels)
        ]
        assert list(self.matcher.match(type=type, consumer=consumer, channels=channels)) == expected

    @invariant()
    def it_holds_what_was_put_in_and_no_empty_shelves(self) -> None:
        assert len(self.matcher) == len(self.model)
        kept = {one.consumer for one in self.model.values() if one.active and one.patterns}
        assert set(self.matcher._scopes) == kept
        for buckets in self.matcher._scopes.values():
            assert all(bucket.anywhere or bucket.by_channel for bucket in buckets.values())


TestIndex = Index.TestCase
TestIndex.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
