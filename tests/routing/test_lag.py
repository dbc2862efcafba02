"""When the hub says that routing is late."""

from __future__ import annotations

from hub.routing.lag import LATE_S, QUIET_S, LagWatch
from tests.delivery.test_lane import NOW, event


def test_it_speaks_once_and_then_not_for_a_while() -> None:
    watch, born = LagWatch(), NOW.timestamp()
    batch = {3: [(event(1), None)]}
    assert watch.late(batch, now=born + LATE_S - 1) == []
    (told,) = watch.late(batch, now=born + LATE_S + 1)
    assert (told.type, told.env, told.shard) == ("hub.lag.high", 1, 3)
    assert told.data["lag_s"] == LATE_S + 1
    assert watch.late(batch, now=born + LATE_S + 60) == []
    assert len(watch.late(batch, now=born + LATE_S + QUIET_S + 2)) == 1


def test_the_hubs_own_events_are_never_the_reason() -> None:
    late = event(1)
    late.origin = 1
    assert LagWatch().late({3: [(late, None)]}, now=NOW.timestamp() + 1000) == []
