"""The statement and the pure rule ask for the same events: every pattern against every type, in PostgreSQL and in Python."""

from __future__ import annotations

from itertools import product
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.consumption import selectors
from hub.consumption.filtering import Filter
from hub.consumption.statements import WANTED

SEGMENT = st.sampled_from(["a", "b", "a_", "a%", "-", "hub", "order", "A"]).map(
    lambda text: text.replace("%", "-x")
)
TYPE = st.lists(SEGMENT, min_size=1, max_size=3).map(".".join)
PATTERN = st.one_of(TYPE, TYPE.map(lambda text: f"{text}.*"), st.just("*"))
CHANNELS = st.lists(st.sampled_from(["eu", "us", "e"]), max_size=2, unique=True)
EVENT = st.fixed_dictionaries({
    "env": st.sampled_from([1, 2]), "type": TYPE, "consumer": st.sampled_from([None, 1, 2]),
    "channels": st.one_of(st.none(), CHANNELS),
})  # fmt: skip
FILTER = st.builds(
    Filter, env=st.just(1), consumer=st.sampled_from([None, 1]),
    types=st.lists(PATTERN, min_size=1, max_size=3).map(tuple), channels=CHANNELS.map(frozenset),
)  # fmt: skip

ASKED = f"""
select {WANTED} from (values (null::timestamptz, null::int8)) f(since, since_end),
 (values (%(w_env)s::int4, %(w_type)s::text, %(w_consumer)s::int4, %(w_channels)s::text[], now(), 1))
  w(env, type, consumer, channels, created_at, seq)"""


def in_sql(asked: Filter, event: dict[str, Any]) -> bool:
    values = asked.parameters() | {f"w_{name}": value for name, value in event.items()}
    ((wanted,),) = selectors.run(ASKED, values)
    return bool(wanted)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=FILTER, event=EVENT)
def test_both_say_the_same(db: None, asked: Filter, event: dict[str, Any]) -> None:
    assert in_sql(asked, event) is asked.wants(**event)


def test_signs_that_mean_something_to_sql_mean_themselves(db: None) -> None:
    for pattern, type in product(["a_.*", "a-.*", "a_b"], ["axx.y", "a_.y", "a-.y", "axb", "a_b", "a-b"]):
        asked = Filter(1, None, (pattern,))
        event = {"env": 1, "type": type, "consumer": None, "channels": None}
        assert in_sql(asked, event) is asked.wants(**event), (pattern, type)
