"""Lists of deliveries: states, orders, pages, and who sees what."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from hub.core.problems import ProblemError
from hub.delivery import selectors
from hub.delivery.selectors import gathering
from hub.insights import finding, finding_deliveries, finding_pace
from hub.insights.search import Query
from hub.subscriptions.models import Subscription
from hub.tenants.scoping import Scope
from tests.cast import Cast, make_cast
from tests.eventlog import rows
from tests.eventlog.rows import Row
from tests.eventlog.scene import NOW, Scene, asked, bound, found_by, ids_of, listed, states, subscribe


@pytest.fixture(scope="module")
def shared(django_db_setup: None, django_db_blocker: Any) -> Iterator[Scene]:
    with rows.never_committed(django_db_blocker):
        yield Scene(make_cast())


@pytest.fixture
def scene(shared: Scene, db: None) -> Scene:
    return shared


@pytest.fixture
def cast(scene: Scene) -> Cast:
    return scene.cast


@pytest.fixture
def scope(cast: Cast) -> Scope:
    return cast.alice.scope


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 13, 50])
def test_pages_of_any_size_hold_every_delivery_once_in_its_state(
    scope: Scope, scene: Scene, limit: int
) -> None:
    assert [(d.id, d.state) for d in listed(scope, limit=limit)] == scene.all()


@pytest.mark.parametrize("limit", [1, 3, 50])
@pytest.mark.parametrize(
    "wanted",
    ["waiting", "retrying", "held", "waiting retrying held", "waiting dead", "delivered retrying cancelled"],
)
def test_open_and_mixed_states_come_by_event(scope: Scope, scene: Scene, wanted: str, limit: int) -> None:
    words = wanted.split()
    found = listed(scope, states=states(*words), limit=limit)
    assert [(d.id, d.state) for d in found] == [row for row in scene.all() if row[1] in words]


@pytest.mark.parametrize("limit", [1, 2, 50])
@pytest.mark.parametrize(
    "wanted", ["dead", "delivered", "cancelled", "expired", "dead delivered cancelled expired"]
)
def test_ended_states_of_an_environment_come_by_when_they_ended(
    scope: Scope, scene: Scene, wanted: str, limit: int
) -> None:
    words = wanted.split()
    found = listed(scope, states=states(*words), limit=limit)
    assert sorted(ids_of(found)) == sorted(id for id, state in scene.all() if state in words)
    times = [delivery.at for delivery in found]
    assert times == sorted(times, reverse=True)  # type: ignore[type-var]


@pytest.mark.parametrize("limit", [1, 2, 50])
def test_a_subscription_a_consumer_and_an_event_have_lists_of_their_own(
    scope: Scope, scene: Scene, limit: int
) -> None:
    everything = [id for id, _ in scene.all()]

    def of(*subscriptions: Subscription) -> list[str]:
        own = {row.delivery(s, run) for row in scene.e for s in subscriptions for run in (0, 5)}
        return [id for id in everything if id in own]

    assert ids_of(listed(scope, subscription=scene.a.uid, limit=limit)) == of(scene.a)
    assert ids_of(listed(scope, consumer=scene.cast.acme.public_id, limit=limit)) == of(scene.acme)
    assert listed(scope, subscription=scene.a.uid, consumer=scene.cast.acme.public_id) == []
    assert ids_of(listed(scope, event=scene.e[1].raw, limit=limit)) == [
        scene.e[1].delivery(scene.a, 5), scene.e[1].delivery(scene.a),
    ]  # fmt: skip
    assert ids_of(listed(scope, event=scene.e[7].raw, states=states("dead"), limit=limit)) == [
        scene.e[7].delivery(scene.b)
    ]
    dead = listed(scope, subscription=scene.a.uid, states=states("dead"), limit=limit)
    assert ids_of(dead) == [scene.e[1].delivery(scene.a)]


@pytest.mark.parametrize("limit", [1, 50])
def test_type_and_time_narrow_every_order(scope: Scope, scene: Scene, limit: int) -> None:
    everything, e = [id for id, _ in scene.all()], scene.e

    def of(*numbers: int) -> list[str]:
        own = {
            e[n].delivery(s, run) for n in numbers for s in (scene.a, scene.b, scene.acme) for run in (0, 5)
        }
        return [id for id in everything if id in own]

    assert ids_of(listed(scope, type="order.paid", limit=limit)) == of(1, 3, 5, 7)
    assert ids_of(listed(scope, type="user.*", limit=limit)) == []
    since, until = NOW - timedelta(hours=6), NOW - timedelta(hours=2, minutes=30)
    assert ids_of(listed(scope, since=since, until=until, limit=limit)) == of(2, 3, 4)
    own = {row.delivery(scene.a) for row in e}
    assert ids_of(listed(scope, subscription=scene.a.uid, since=since, until=until, limit=limit)) == [
        id for id in of(2, 3, 4) if id in own
    ]
    assert ids_of(listed(scope, states=states("waiting"), type="order.paid", limit=limit)) == [
        e[7].delivery(scene.a), e[1].delivery(scene.a, 5)
    ]  # fmt: skip
    dead = listed(scope, states=states("dead"), type="order.paid", limit=limit)
    assert ids_of(dead) == [e[7].delivery(scene.b), e[1].delivery(scene.a)]
    recent = listed(scope, states=states("dead"), since=NOW - timedelta(hours=1), limit=limit)
    assert ids_of(recent) == [e[7].delivery(scene.b)]
    older = listed(scope, states=states("dead"), until=NOW - timedelta(hours=6), limit=limit)
    assert ids_of(older) == [e[1].delivery(scene.a)]


def test_strangers_see_nothing_and_a_consumer_its_own(scope: Scope, scene: Scene) -> None:
    theirs = {scene.e[n].delivery(scene.acme) for n in (2, 6)}
    for what in (
        {},
        {"states": states("dead")},
        {"states": states("waiting")},
        {"states": states("dead", "waiting")},
    ):
        assert listed(scene.cast.charlie.scope, **what) == []
        assert listed(scene.cast.alice.test_scope, **what) == []
        assert set(ids_of(listed(bound(scene.cast), **what))) <= theirs
    assert set(ids_of(listed(bound(scene.cast)))) == theirs
    assert ids_of(listed(bound(scene.cast), event=scene.e[2].raw)) == [scene.e[2].delivery(scene.acme)]
    for stranger in (scene.cast.charlie.scope, scene.cast.alice.test_scope, bound(scene.cast)):
        for own in ({"subscription": scene.a.uid}, {"event": scene.e[7].raw}):
            assert listed(scope, **own) != []
            assert listed(stranger, **own) == []
        with pytest.raises(ProblemError) as error:
            selectors.delivery(scope=stranger, id=scene.e[7].delivery(scene.a))
        assert error.value.problem.status == 404


@pytest.mark.parametrize(("limit", "parcels"), [(1, 1), (1, 2), (7, 1), (7, 2), (100, 1), (100, 2)])
def test_a_long_backlog_in_many_parcels_is_paged_without_gaps(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, limit: int, parcels: int
) -> None:
    scope = cast.charlie.scope
    monkeypatch.setattr(gathering, "MOST_PARCELS", parcels)
    first, second = subscribe(scope), subscribe(scope)
    wanted = []
    for number in range(6):
        batch = [rows.event(cast.charlie.live, shard=number % 3) for _ in range(3)]
        for subscription in (first, second):
            rows.parcel(subscription, batch)
            rows.delivered(subscription, batch[1])
        wanted += [(row.seq, s.id) for row in (batch[0], batch[2]) for s in (first, second)]
    found = listed(scope, states=states("waiting"), limit=limit)
    assert [(d.seq, d.target.id) for d in found] == sorted(wanted, reverse=True)
    own = listed(scope, states=states("waiting"), subscription=first.uid, limit=limit)
    assert [d.seq for d in own] == sorted((seq for seq, sub in wanted if sub == first.id), reverse=True)
    assert len(listed(scope, limit=limit)) == 36


def test_a_list_that_looked_long_enough_says_where_to_go_on(
    scope: Scope, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding_pace, "COLUMNS_S", 0.0)
    monkeypatch.setattr(finding_pace, "FIRST_WINDOW", 2)
    monkeypatch.setattr(finding_deliveries, "FEWEST", 2)
    query = asked(states=states("cancelled", "delivered"))
    page = finding.deliveries(scope=scope, query=query, position=None, limit=1)
    # Two attempts were looked at: of e7, and of e5, which was delivered.
    assert ids_of(page.rows) == [scene.e[5].delivery(scene.a)]
    query = asked(states=states("expired", "delivered"), type="order.created")
    page = finding.deliveries(scope=scope, query=query, position=None, limit=1)
    assert (page.rows, page.searched_to) == ([], scene.e[5].at + timedelta(seconds=1))
    assert page.next is not None
    assert ids_of(found_by(scope, query, limit=1)) == [
        scene.e[4].delivery(scene.b), scene.e[0].delivery(scene.a),
    ]  # fmt: skip


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
@pytest.mark.parametrize("most", [1, 50])
def test_events_whose_ids_and_offsets_disagree_are_listed_once_by_id(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, limit: int, most: int
) -> None:
    scope = cast.charlie.scope
    monkeypatch.setattr(finding_deliveries, "MOST_AT_ONCE", most)
    monkeypatch.setattr(finding_deliveries, "AT_ONCE", 2)
    subs = [subscribe(scope) for _ in range(3)]
    # Two processes that take events in have clocks of their own: the order of offsets is that of the commits.
    events = [rows.event(cast.charlie.live, at=NOW - timedelta(seconds=s)) for s in (3, 1, 2, 5, 4)]
    for event in events:
        for sub in subs:
            rows.delivered(sub, event)
    wanted = [events[n].delivery(sub) for n in (1, 2, 0, 4, 3) for sub in reversed(subs)]
    assert ids_of(listed(scope, limit=limit)) == wanted
    assert ids_of(listed(scope, type="order.created", limit=limit)) == wanted


def test_how_far_was_looked_is_told_in_the_lists_own_order(
    scope: Scope, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding_pace, "COLUMNS_S", 0.0)
    e = scene.e

    def first(query: Query, limit: int) -> tuple[str, list[str], datetime | None]:
        page = finding.deliveries(scope=scope, query=query, position=None, limit=limit)
        return str(page.order), ids_of(page.rows), page.searched_to

    def ms(moment: datetime) -> datetime:
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)

    assert first(asked(), 2) == ("accepted_at", [id for id, _ in scene.all()[:2]], ms(e[7].at))
    assert first(asked(subscription=scene.a.uid), 2) == (
        "accepted_at", [e[7].delivery(scene.a), e[5].delivery(scene.a)], ms(e[5].at),
    )  # fmt: skip
    assert first(asked(states=states("dead")), 1) == (
        "at", [e[7].delivery(scene.b)], e[7].at + timedelta(seconds=1),
    )  # fmt: skip
    assert first(asked(states=states("dead"), event=e[7].raw), 5) == (
        "accepted_at",
        [e[7].delivery(scene.b)],
        None,
    )


def test_an_event_that_is_no_longer_kept_leaves_no_delivery(scope: Scope, scene: Scene) -> None:
    gone = Row(scene.e[0].id, scene.e[0].raw, 2**40, 1, scene.e[0].day, scene.e[0].at)
    rows.parcel(scene.a, [gone])
    assert [d.seq for d in listed(scope, states=states("waiting")) if d.seq == gone.seq] == []
