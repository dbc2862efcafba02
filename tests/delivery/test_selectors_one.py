"""One delivery, its attempts, and those of one event, read from their facts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from hub.core import ids
from hub.core.problems import ProblemError
from hub.delivery import selectors
from hub.delivery.outcome import Reason
from hub.delivery.states import State
from hub.eventlog import selectors as eventlog
from hub.subscriptions import services
from hub.tenants.scoping import Scope
from tests.cast import make_cast
from tests.eventlog import rows
from tests.eventlog.scene import NOW, Scene, ids_of, listed, states


@pytest.fixture(scope="module")
def shared(django_db_setup: None, django_db_blocker: Any) -> Iterator[Scene]:
    with rows.never_committed(django_db_blocker):
        yield Scene(make_cast())


@pytest.fixture
def scene(shared: Scene, db: None) -> Scene:
    return shared


@pytest.fixture
def scope(scene: Scene) -> Scope:
    return scene.cast.alice.scope


def test_one_delivery_tells_what_is_known_of_it(scope: Scope, scene: Scene) -> None:
    for id, state in scene.all():
        found = selectors.delivery(scope=scope, id=id)
        assert (found.id, found.state) == (id, state)
    retrying = selectors.delivery(scope=scope, id=scene.e[3].delivery(scene.a))
    assert (retrying.attempts, retrying.reason) == (2, Reason.http_5xx)
    assert retrying.next_at is not None
    assert retrying.next_at > NOW
    again = selectors.delivery(scope=scope, id=scene.e[1].delivery(scene.a, 5))
    assert (again.attempts, again.reason, again.next_at, again.at) == (0, None, None, None)
    waiting = selectors.delivery(scope=scope, id=scene.e[7].delivery(scene.a))
    assert waiting.waits_since is not None


@pytest.mark.parametrize(
    "id", ["", "dlv_", "dlv_1", "evt_1", "dlv_" + "z" * 40, "dlv_01h455vb4pex5vsknk084sn02q1", "dlv_é"]
)
def test_what_names_no_delivery_is_not_found(scope: Scope, scene: Scene, id: str) -> None:
    with pytest.raises(ProblemError) as error:
        selectors.delivery(scope=scope, id=id)
    assert error.value.problem.status == 404


def test_runs_and_subscriptions_that_were_not_are_not_found(scope: Scope, scene: Scene) -> None:
    numbers = [
        (scene.a.id, 4),
        (scene.a.id, 2**31 - 1),
        (scene.a.id, 2**63 - 1),
        (2**40, 0),
        (scene.a.id + 999, 0),
    ]
    for number, run in numbers:
        with pytest.raises(ProblemError):
            selectors.delivery(scope=scope, id=ids.delivery_id(scene.e[1].raw, number, run))
    with pytest.raises(ProblemError):
        selectors.delivery(scope=scope, id=scene.e[0].delivery(scene.b))


def test_an_open_breaker_is_what_a_waiting_delivery_waits_for(scope: Scope, scene: Scene) -> None:
    until = NOW + timedelta(hours=1)
    rows.insert(
        "breaker_fact", sub=scene.a.id, at=NOW, state="open", until=until, streak=5, reason="failures"
    )
    waiting = selectors.delivery(scope=scope, id=scene.e[7].delivery(scene.a))
    assert (waiting.reason, waiting.next_at) == (Reason.breaker_open, until)
    retrying = selectors.delivery(scope=scope, id=scene.e[3].delivery(scene.a))
    assert (retrying.reason, retrying.next_at) == (Reason.http_5xx, until)
    rows.insert("breaker_fact", sub=scene.a.id, at=NOW, state="closed", streak=0, reason="recovered")
    assert selectors.delivery(scope=scope, id=scene.e[7].delivery(scene.a)).reason is None


def test_what_a_deleted_subscription_had_open_reads_as_cancelled(scope: Scope, scene: Scene) -> None:
    a, e = scene.a, scene.e
    services.delete(scope=scope, uid=a.uid)
    before = dict(scene.all())
    # As the owner leaves it: rows of what waited are gone, one row says so.
    for _ in range(2):
        found = {d.id: d.state for d in listed(scope, subscription=a.uid)}
        assert found[e[3].delivery(a)] is State.cancelled
        assert found[e[1].delivery(a)] is State.dead
        assert {state for id, state in found.items() if before[id] in ("waiting", "retrying")} == {
            State.cancelled
        }
        for number in (7, 3):
            one = selectors.delivery(scope=scope, id=e[number].delivery(a))
            assert (one.state, one.reason) == (State.cancelled, Reason.subscription_deleted)
        cancelled = ids_of(listed(scope, states=states("cancelled"), limit=1))
        assert cancelled == [e[3].delivery(a), e[2].delivery(a)]
        rows.run("delete from due where sub = %s", a.id)
        rows.run("delete from parcel where sub = %s", a.id)
    assert listed(scope, states=states("waiting", "retrying"), type="order.*", consumer=None) != []
    with pytest.raises(ProblemError):
        selectors.delivery(scope=scope, id=rows.event(scene.cast.alice.live, type="other").delivery(a))


def test_the_deliveries_of_an_event_are_counted_by_state(scope: Scope, scene: Scene) -> None:
    event = eventlog.event(scope=scope, id=scene.e[1].raw)
    assert selectors.of_event(scope=scope, event=event) == ({State.waiting: 1, State.dead: 1}, False)


def test_attempts_come_last_first_with_what_was_kept(scope: Scope, scene: Scene) -> None:
    a, e = scene.a, scene.e
    rows.capture(a, e[3], n=2, body=b"broken \xff", truncated=True)
    found = selectors.delivery(scope=scope, id=e[3].delivery(a))
    page = selectors.attempts(found, position=None, limit=1)
    assert [(row.n, row.body, row.truncated) for row in page.rows] == [(2, b"broken \xff", True)]
    page = selectors.attempts(found, position=page.next, limit=1)
    assert [(row.n, row.body, row.sent) for row in page.rows] == [(1, None, True)]
    assert page.next is None


def test_an_end_without_a_request_has_no_capture_of_the_attempt_before(scope: Scope, scene: Scene) -> None:
    a, e = scene.a, scene.e
    rows.capture(a, e[3], n=2)
    rows.attempt(a, e[3], n=2, finish=3, reason=Reason.cancelled, http=0)
    rows.run("delete from due where sub = %s and seq = %s", a.id, e[3].seq)
    found = selectors.delivery(scope=scope, id=e[3].delivery(a))
    assert (found.state, found.attempts) == (State.cancelled, 2)
    page = selectors.attempts(found, position=None, limit=10)
    assert [(row.n, row.sent, row.body) for row in page.rows] == [
        (2, False, None),
        (2, True, b"no"),
        (1, True, None),
    ]
