"""Reading the log: one event, by offset, and who sees what."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hub.core.problems import ProblemError
from hub.eventlog import selectors
from hub.tenants.scoping import Scope
from tests.cast import Cast, make_cast
from tests.eventlog.rows import Row, event, never_committed

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def shared(django_db_setup: None, django_db_blocker: Any) -> Iterator[Cast]:
    with never_committed(django_db_blocker):
        yield make_cast()


@pytest.fixture
def cast(shared: Cast, db: None) -> Cast:
    return shared


@pytest.fixture
def scope(cast: Cast) -> Scope:
    return cast.alice.scope


def ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def bound(cast: Cast) -> Scope:
    scope = cast.alice.scope
    return Scope(scope.tenant_id, scope.environment_id, cast.acme.id, "key", "key_1", scope.scopes)


@pytest.fixture
def log(cast: Cast) -> list[Row]:
    """Six events, the oldest first."""
    live = cast.alice.live
    return [
        event(live, at=NOW - timedelta(hours=23), subject="o-1"),
        event(live, at=NOW - timedelta(hours=20), type="order.paid", subject="o-1", consumer=cast.acme),
        event(live, at=NOW - timedelta(hours=2), type="user.made", consumer=cast.acme),
        event(live, at=NOW - timedelta(hours=1), type="order.paid", subject="o-2", consumer=cast.globex),
        event(live, at=NOW - timedelta(minutes=1), type="hub.delivery.dead", origin=1),
        event(live, type="order.created", subject="o-2"),
    ]


def test_days_long_ago_are_read_too(cast: Cast, scope: Scope) -> None:
    old = [event(cast.alice.live, at=NOW - timedelta(days=days)) for days in (9, 4, 2)]
    assert selectors.event(scope=scope, id=old[0].raw).day == old[0].day
    page = selectors.log(scope=scope, shard=cast.alice.live.shard, after=old[0].seq, limit=9)
    assert [row.seq for row in page.rows] == [old[1].seq, old[2].seq]


def test_one_event_comes_with_its_bytes(cast: Cast, scope: Scope, log: list[Row]) -> None:
    found = selectors.event(scope=scope, id=log[0].raw)
    assert (found.seq, found.data, found.consumer_id) == (log[0].seq, b'{"n":1.10}', None)
    assert selectors.event(scope=scope, id=log[1].raw, data=False).consumer_id == cast.acme.public_id
    for stranger, id in (
        (cast.charlie.scope, log[0].raw),
        (cast.alice.test_scope, log[0].raw),
        (bound(cast), log[0].raw),
        (bound(cast), log[3].raw),
        (scope, b"\xff" * 16),
    ):
        with pytest.raises(ProblemError) as error:
            selectors.event(scope=stranger, id=id)
        assert error.value.problem.status == 404


def test_a_shard_is_read_by_offset_in_its_order(cast: Cast, scope: Scope) -> None:
    live, shard = cast.alice.live, 7
    mine = [event(live, shard=shard, data=b"%d" % n) for n in range(5)]
    event(cast.charlie.live, shard=shard)
    page = selectors.log(scope=scope, shard=shard, after=0, limit=3)
    assert [(row.seq, row.data) for row in page.rows] == [(mine[n].seq, b"%d" % n) for n in range(3)]
    assert (page.upto, page.more) == (mine[2].seq, True)
    page = selectors.log(scope=scope, shard=shard, after=page.upto, limit=3)
    assert ([row.seq for row in page.rows], page.more) == ([mine[3].seq, mine[4].seq], False)
    page = selectors.log(scope=scope, shard=shard, after=page.upto, limit=3)
    assert (page.rows, page.upto, page.more) == ([], mine[4].seq, False)


def test_a_page_of_the_log_is_bounded_in_rows_looked_at_and_in_bytes(
    cast: Cast, scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard = 8
    others = [event(cast.charlie.live, shard=shard) for _ in range(3)]
    mine = [event(cast.alice.live, shard=shard, data=b"1" * 40) for _ in range(3)]
    monkeypatch.setattr(selectors, "SCAN", 2)
    page = selectors.log(scope=scope, shard=shard, after=0, limit=50)
    assert (page.rows, page.upto, page.more) == ([], others[1].seq, True)
    monkeypatch.setattr(selectors, "SCAN", 100)
    monkeypatch.setattr(selectors, "LOG_BYTES", 80)
    page = selectors.log(scope=scope, shard=shard, after=0, limit=50)
    assert ([row.seq for row in page.rows], page.upto, page.more) == (
        [mine[0].seq, mine[1].seq],
        mine[1].seq,
        True,
    )
    monkeypatch.setattr(selectors, "LOG_BYTES", 1)
    page = selectors.log(scope=scope, shard=shard, after=page.upto, limit=50)
    assert ([row.seq for row in page.rows], page.more) == ([mine[2].seq], False)


def test_the_log_shows_a_consumers_key_its_own_events_alone(cast: Cast) -> None:
    shard = 9
    event(cast.alice.live, shard=shard)
    theirs = event(cast.alice.live, shard=shard, consumer=cast.acme)
    assert [row.seq for row in selectors.log(scope=bound(cast), shard=shard, after=0, limit=9).rows] == [
        theirs.seq
    ]
    assert selectors.log(scope=cast.alice.test_scope, shard=shard, after=0, limit=9).rows == []


def test_the_shards_are_those_of_the_environment_and_its_consumers(cast: Cast, scope: Scope) -> None:
    assert selectors.shards(scope) == sorted({cast.alice.live.shard, cast.acme.shard, cast.globex.shard})
    assert selectors.shards(bound(cast)) == [cast.acme.shard]
    assert selectors.shards(cast.charlie.scope) == [cast.charlie.live.shard]


def test_offsets_around_a_time_hold_all_events_of_that_time(scope: Scope, log: list[Row]) -> None:
    low, high = selectors.seqs_around(
        scope=scope, since=ms(NOW - timedelta(hours=3)), until=ms(NOW - timedelta(minutes=30))
    )
    assert (low, high) == (log[1].seq, log[4].seq)
    assert selectors.seqs_around(scope=scope, since=None, until=ms(NOW + timedelta(days=1))) == (None, None)
