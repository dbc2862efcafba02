"""Commands handed in, one or many, and what is told of them; and what routing made of an event."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hub.core.problems import ProblemError
from hub.delivery import selectors
from hub.delivery.outcome import Reason
from hub.delivery.states import State
from hub.eventlog import selectors as eventlog
from hub.routing import services
from hub.routing.services import Bulk
from hub.subscriptions import services as subscriptions
from hub.subscriptions.models import Subscription
from hub.tenants.models import AuditEntry
from hub.tenants.scoping import Scope
from tests.cast import Cast, make_cast
from tests.eventlog import rows
from tests.eventlog.rows import Row

NOW = datetime.now(UTC)
NEW = {"url": "https://hooks.example.com/", "patterns": ["order.*"]}


class Scene:
    """Five dead letters of one subscription, the oldest first, of which e3 has had a second run; and one of Acme's."""

    def __init__(self, cast: Cast) -> None:
        live, self.cast, self.scope = cast.alice.live, cast, cast.alice.scope
        self.sub = subscriptions.create(scope=self.scope, fields=NEW)[0]
        self.acme = subscriptions.create(scope=self.scope, fields=NEW, consumer="acme")[0]
        self.e = [
            rows.event(live, at=NOW - timedelta(hours=10 - n), type="order.paid" if n % 2 else "order.made")
            for n in range(5)
        ]
        for number, event in enumerate(self.e):
            rows.dead(self.sub, event, reason=Reason.http_404 if number == 4 else Reason.http_5xx)
        rows.delivered(self.sub, self.e[3], run=77)
        self.theirs = rows.event(live, at=NOW - timedelta(hours=1), consumer=cast.acme)
        rows.dead(self.acme, self.theirs)


@pytest.fixture(scope="module")
def shared(django_db_setup: None, django_db_blocker: Any) -> Iterator[Scene]:
    with rows.never_committed(django_db_blocker):
        yield Scene(make_cast())


@pytest.fixture
def scene(shared: Scene, db: None) -> Scene:
    return shared


def bound(cast: Cast) -> Scope:
    scope = cast.alice.scope
    return Scope(scope.tenant_id, scope.environment_id, cast.acme.id, "key", "key_1", scope.scopes)


def commands(kind: str) -> list[tuple[Any, ...]]:
    return eventlog.fetch("select sub, seq, run from command where kind = %s order by id", [kind])


def requeued(scene: Scene, *numbers: int) -> list[tuple[Any, ...]]:
    return [(scene.sub.id, scene.e[n].seq, 0) for n in numbers]


@pytest.mark.parametrize("kind", ["retry", "cancel", "requeue"])
def test_a_command_names_its_delivery_and_can_be_followed(scene: Scene, kind: str) -> None:
    delivery = selectors.delivery(scope=scene.scope, id=scene.e[0].delivery(scene.sub))
    number = services.submit(scope=scene.scope, delivery=delivery, kind=kind)
    found = services.command(scope=scene.scope, id=f"cmd_{number}")
    assert (found.kind, found.delivery, found.actor, found.status, found.result, found.new_delivery) == (
        kind, delivery.id, "alice@a.example", "pending", None, None,
    )  # fmt: skip
    (row,) = eventlog.fetch("select env, shard, src, day from command where id = %s", [number])
    assert row == (scene.cast.alice.live.id, scene.sub.shard, scene.e[0].shard, scene.e[0].day)
    assert services.commands_of(delivery) == [found]
    assert AuditEntry.objects.get(action=f"delivery.{kind}").target == delivery.id


@pytest.mark.parametrize(
    ("result", "status"),
    [
        ("queued as run 9", "done"),
        ("cancelled", "done"),
        ("refused: an attempt is under way", "refused"),
        ("nothing to do: its first attempt is queued", "refused"),
    ],
)
def test_a_result_is_done_or_refused(scene: Scene, result: str, status: str) -> None:
    delivery = selectors.delivery(scope=scene.scope, id=scene.e[0].delivery(scene.sub))
    number = services.submit(scope=scene.scope, delivery=delivery, kind="requeue")
    rows.run("update command set applied_at = now(), result = %s where id = %s", result, number)
    found = services.command(scope=scene.scope, id=f"cmd_{number}")
    assert (found.status, found.result) == (status, result)
    assert found.new_delivery == (scene.e[0].delivery(scene.sub, number) if status == "done" else None)


@pytest.mark.parametrize(
    "id", ["", "cmd_", "cmd_0x1", "cmd_01", "cmd_-1", "cmd_²", "1", "cmd_" + "9" * 19, "cmd_é"]
)
def test_what_names_no_command_is_not_found(scene: Scene, id: str) -> None:
    with pytest.raises(ProblemError) as error:
        services.command(scope=scene.scope, id=id)
    assert error.value.problem.status == 404


def test_a_command_is_for_its_own_scope(scene: Scene) -> None:
    def submit(subscription: Subscription, event: Row) -> str:
        delivery = selectors.delivery(scope=scene.scope, id=event.delivery(subscription))
        return f"cmd_{services.submit(scope=scene.scope, delivery=delivery, kind='requeue')}"

    own, theirs = submit(scene.sub, scene.e[0]), submit(scene.acme, scene.theirs)
    assert services.command(scope=bound(scene.cast), id=theirs).id == theirs
    for stranger in (scene.cast.charlie.scope, scene.cast.alice.test_scope, bound(scene.cast)):
        with pytest.raises(ProblemError):
            services.command(scope=stranger, id=own)


@pytest.mark.parametrize(
    ("asked", "numbers"),
    [
        ({}, [0, 1, 2, 4]),
        ({"type": "order.paid"}, [1]),
        ({"type": "order.*"}, [0, 1, 2, 4]),
        ({"type": "user.*"}, []),
        ({"reason": "http-404"}, [4]),
        ({"since": NOW - timedelta(hours=8, minutes=30)}, [2, 4]),
        ({"until": NOW - timedelta(hours=8, minutes=30)}, [0, 1]),
        ({"limit": 2}, [0, 1]),
    ],
)
def test_dead_letters_are_requeued_once_those_that_died_first_first(
    scene: Scene, asked: dict[str, Any], numbers: list[int]
) -> None:
    made = services.requeue_dead(scope=scene.scope, subscription=scene.sub.uid, **asked)
    assert made == Bulk(len(numbers), asked.get("limit") == 2)
    assert commands("requeue") == requeued(scene, *numbers)
    rest = services.requeue_dead(scope=scene.scope, subscription=scene.sub.uid)
    assert rest == Bulk(4 - len(numbers), False)
    assert services.requeue_dead(scope=scene.scope, subscription=scene.sub.uid) == Bulk(0, False)


def test_a_run_that_was_asked_for_and_waits_is_not_asked_for_again(scene: Scene) -> None:
    rows.due(scene.sub, scene.e[0], run=5, attempts=0)
    services.requeue_dead(scope=scene.scope, subscription=scene.sub.uid)
    assert commands("requeue") == requeued(scene, 1, 2, 4)


def test_a_requeue_that_looked_long_enough_says_that_there_is_more(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "EXAMINED", 2)
    assert services.requeue_dead(scope=scene.scope) == Bulk(2, True)


def test_bulk_reaches_what_the_scope_does_and_no_more(scene: Scene) -> None:
    for stranger in (scene.cast.charlie.scope, scene.cast.alice.test_scope):
        assert services.requeue_dead(scope=stranger) == Bulk(0, False)
    assert services.requeue_dead(scope=bound(scene.cast)) == Bulk(1, False)
    assert commands("requeue") == [(scene.acme.id, scene.theirs.seq, 0)]
    for stranger in (scene.cast.charlie.scope, scene.cast.alice.test_scope, bound(scene.cast)):
        for refused in (
            lambda who: services.requeue_dead(scope=who, subscription=scene.sub.uid),
            lambda who: services.cancel_open(scope=who, subscription=scene.sub.uid),
        ):
            with pytest.raises(ProblemError) as error:
                refused(stranger)
            assert error.value.problem.status == 404
    assert len(commands("requeue")) == 1
    assert AuditEntry.objects.get(action="deliveries.requeue").changes["queued"] == [0, 1]


def test_an_unknown_reason_is_named(scene: Scene) -> None:
    with pytest.raises(ProblemError) as error:
        services.requeue_dead(scope=scene.scope, reason="sunspots")
    assert error.value.problem.errors[0]["pointer"] == "/reason"


def test_the_dead_letters_of_a_deleted_subscription_stay(scene: Scene) -> None:
    subscriptions.delete(scope=scene.scope, uid=scene.sub.uid)
    assert services.requeue_dead(scope=scene.scope) == Bulk(1, False)
    with pytest.raises(ProblemError):
        services.cancel_open(scope=scene.scope, subscription=scene.sub.uid)


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ({}, {0, 1, 2, 4}),
        ({"states": (State.waiting,)}, {0, 4}),
        ({"states": (State.retrying,)}, {1}),
        ({"states": (State.held, State.retrying)}, {1, 2}),
    ],
)
def test_what_a_subscription_has_before_it_is_cancelled_by_state(
    scene: Scene, asked: dict[str, Any], wanted: set[int]
) -> None:
    e = [rows.event(scene.cast.alice.live) for _ in range(5)]
    rows.parcel(scene.sub, e)
    rows.due(scene.sub, e[1])
    rows.attempt(scene.sub, e[1])
    rows.due(scene.sub, e[2], held=True, attempts=0)
    rows.delivered(scene.sub, e[3])
    made = services.cancel_open(scope=scene.scope, subscription=scene.sub.uid, **asked)
    assert made == Bulk(len(wanted), False)
    assert {seq for _, seq, _ in commands("cancel")} == {e[n].seq for n in wanted}
    assert services.cancel_open(scope=scene.scope, subscription=scene.sub.uid, **asked) == Bulk(0, False)


def test_a_bulk_cancel_is_bounded(scene: Scene) -> None:
    rows.parcel(scene.sub, [rows.event(scene.cast.alice.live) for _ in range(5)])
    assert services.cancel_open(scope=scene.scope, subscription=scene.sub.uid, limit=3) == Bulk(3, True)
    assert services.cancel_open(scope=scene.scope, subscription=scene.sub.uid, limit=3) == Bulk(2, False)


def test_routing_is_pending_routed_or_unmatched(scene: Scene) -> None:
    shard = 63
    found = [
        eventlog.event(scope=scene.scope, id=rows.event(scene.cast.alice.live, shard=shard).raw)
        for _ in range(20)
    ]
    assert {services.routing_of(event) for event in found} == {"pending"}
    prev = found[0].seq - 1
    # As after the oldest days were dropped: the first steps are gone.
    for step, event in enumerate(found[:19:2], start=40):
        upto = event.seq + 1
        rows.routed(shard, step, prev=prev, upto=upto, unmatched=[event.seq] if step % 3 else [])
        prev = upto
    for number, event in enumerate(found[:18]):
        unmatched = number % 2 == 0 and (40 + number // 2) % 3
        assert services.routing_of(event) == ("unmatched" if unmatched else "routed"), number
    late = eventlog.event(scope=scene.scope, id=rows.event(scene.cast.alice.live, shard=shard).raw)
    assert services.routing_of(late) == "pending"
