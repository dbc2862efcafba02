"""Leases: acknowledged whole and in part, twice, too late; prolonged; given back; revoked by a seek."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest

from hub.consumption import services, tasks
from hub.consumption.models import Lease, Mark
from hub.core import ids
from hub.core.problems import ProblemError
from hub.tenants.scoping import Scope
from tests.cast import Cast
from tests.consumption.stage import Stage, expire, given, read, seqs, take
from tests.eventlog.rows import event


@pytest.fixture
def ledger(cast: Cast, scope: Scope) -> Scope:
    services.create(scope=scope, name="ledger")
    return scope


def leased(scope: Scope, **more: int) -> bytes:
    lease = read(scope, **more).lease
    assert lease is not None
    return lease


def marks() -> list[dict[str, object]]:
    return list(Mark.objects.order_by("shard").values())


def refused(act: Callable[[], object]) -> str:
    """The sentence of a 409 that changed nothing."""
    before = marks()
    with pytest.raises(ProblemError) as found:
        act()
    assert (found.value.problem.status, found.value.problem.code) == (409, "conflict")
    assert marks() == before
    return found.value.problem.detail


def test_an_acknowledgement_moves_every_shard_to_its_end_and_the_second_says_already(
    cast: Cast, ledger: Scope
) -> None:
    own, acmes = event(cast.alice.live), event(cast.alice.live, consumer=cast.acme)
    lease = leased(ledger)
    done = services.ack(scope=ledger, ref="ledger", lease=lease)
    assert (done.status, done.offsets) == ("acked", {own.shard: own.seq, acmes.shard: acmes.seq})
    before = marks()
    again = services.ack(scope=ledger, ref="ledger", lease=lease)
    assert (again.status, again.offsets, marks()) == ("already", {}, before)
    event(cast.alice.live)
    leased(ledger)
    assert services.ack(scope=ledger, ref="ledger", lease=lease).status == "already"


def test_a_part_is_acknowledged_and_the_rest_stays_leased(cast: Cast, ledger: Scope) -> None:
    events = [event(cast.alice.live) for _ in range(4)]
    shard = events[0].shard
    lease = leased(ledger)
    done = services.ack(scope=ledger, ref="ledger", lease=lease, upto={shard: events[1].seq})
    assert (done.status, done.offsets) == ("partly", {shard: events[1].seq})
    assert read(ledger).events == []
    backwards = services.ack(scope=ledger, ref="ledger", lease=lease, upto={shard: events[0].seq})
    assert backwards.offsets == {shard: events[1].seq}
    expire()
    assert seqs(read(ledger)) == given(*events[2:])


def test_a_part_that_is_all_ends_the_lease_beyond_what_nobody_asked_for(cast: Cast, scope: Scope) -> None:
    services.create(scope=scope, name="ledger", types=["order.*"])
    first = event(cast.alice.live)
    noise = event(cast.alice.live, type="user.made")
    lease = leased(scope)
    done = services.ack(scope=scope, ref="ledger", lease=lease, upto={first.shard: first.seq})
    assert (done.status, done.offsets) == ("acked", {first.shard: noise.seq})
    assert services.ack(scope=scope, ref="ledger", lease=lease).status == "already"


def test_shards_of_one_lease_are_acknowledged_apart(cast: Cast, ledger: Scope) -> None:
    own, acmes = event(cast.alice.live), event(cast.alice.live, consumer=cast.acme)
    lease = leased(ledger)
    assert services.ack(scope=ledger, ref="ledger", lease=lease, upto={own.shard: own.seq}).status == "partly"
    more = event(cast.alice.live)
    assert take(ledger) == [more.seq]
    twice = services.ack(scope=ledger, ref="ledger", lease=lease, upto={own.shard: own.seq})
    assert (twice.status, twice.offsets) == ("partly", {})
    assert services.ack(scope=ledger, ref="ledger", lease=lease).offsets == {acmes.shard: acmes.seq}


@pytest.mark.parametrize("upto", [{}, {"other": 1}, {"own": 2**62}])
def test_what_was_not_handed_out_can_not_be_acknowledged(
    cast: Cast, ledger: Scope, upto: dict[str, int]
) -> None:
    shard = event(cast.alice.live).shard
    lease = leased(ledger)
    before = marks()
    given_ = {shard if name == "own" else (shard + 1) % 64: offset for name, offset in upto.items()}
    with pytest.raises(ProblemError) as found:
        services.ack(scope=ledger, ref="ledger", lease=lease, upto=given_)
    assert (found.value.problem.code, marks()) == ("invalid", before)


def test_a_lease_that_has_expired_moves_nothing(cast: Cast, ledger: Scope) -> None:
    made = event(cast.alice.live)
    lease = leased(ledger)
    expire()
    for act in (
        lambda: services.ack(scope=ledger, ref="ledger", lease=lease),
        lambda: services.ack(scope=ledger, ref="ledger", lease=lease, upto={made.shard: made.seq}),
        lambda: services.extend(scope=ledger, ref="ledger", lease=lease, lease_s=30),
    ):
        assert "has expired" in refused(act)
    assert services.release(scope=ledger, ref="ledger", lease=lease) == "already"


def test_a_lease_that_was_superseded_moves_nothing(cast: Cast, ledger: Scope) -> None:
    made = event(cast.alice.live)
    old = leased(ledger)
    expire()
    new = leased(ledger)
    assert "has expired" in refused(lambda: services.ack(scope=ledger, ref="ledger", lease=old))
    # Even if its own row still said otherwise.
    Lease.objects.filter(id__isnull=False).update(until=Lease.objects.order_by("-created_at")[0].until)
    refused(lambda: services.ack(scope=ledger, ref="ledger", lease=old))
    assert services.release(scope=ledger, ref="ledger", lease=old) in ("released", "already")
    assert services.ack(scope=ledger, ref="ledger", lease=new).offsets == {made.shard: made.seq}


def test_a_lease_of_another_position_is_not_known(cast: Cast, ledger: Scope) -> None:
    services.create(scope=ledger, name="other")
    event(cast.alice.live)
    lease = leased(ledger)
    for act in (
        lambda: services.ack(scope=ledger, ref="other", lease=lease),
        lambda: services.ack(scope=ledger, ref="ledger", lease=ids.uuid7()),
        lambda: services.extend(scope=ledger, ref="other", lease=lease, lease_s=30),
    ):
        assert "no such lease" in refused(act)
    assert services.release(scope=ledger, ref="other", lease=lease) == "already"
    assert services.ack(scope=ledger, ref="ledger", lease=lease).status == "acked"


def test_what_is_released_comes_again_at_once(cast: Cast, ledger: Scope) -> None:
    events = [event(cast.alice.live) for _ in range(3)]
    lease = leased(ledger)
    services.ack(scope=ledger, ref="ledger", lease=lease, upto={events[0].shard: events[0].seq})
    assert services.release(scope=ledger, ref="ledger", lease=lease) == "released"
    assert services.release(scope=ledger, ref="ledger", lease=lease) == "already"
    assert "was released" in refused(lambda: services.ack(scope=ledger, ref="ledger", lease=lease))
    assert take(ledger) == given(*events[1:])


def test_a_lease_is_prolonged_from_now(cast: Cast, ledger: Scope) -> None:
    event(cast.alice.live)
    batch = read(ledger, lease_s=5)
    assert batch.lease is not None
    until = services.extend(scope=ledger, ref="ledger", lease=batch.lease, lease_s=600)
    assert batch.until is not None
    assert 594 <= (until - batch.until).total_seconds() <= 600
    assert set(Mark.objects.filter(lease__isnull=False).values_list("lease_until", flat=True)) == {until}
    services.ack(scope=ledger, ref="ledger", lease=batch.lease)
    assert "acknowledged" in refused(
        lambda: services.extend(scope=ledger, ref="ledger", lease=batch.lease, lease_s=30)
    )
    for seconds in (4, 601):
        with pytest.raises(ProblemError):
            services.extend(scope=ledger, ref="ledger", lease=batch.lease, lease_s=seconds)


def test_a_seek_revokes_what_is_leased(cast: Cast, ledger: Scope) -> None:
    made = event(cast.alice.live)
    lease = leased(ledger)
    services.seek(scope=ledger, ref="ledger", to="now")
    assert "was revoked" in refused(lambda: services.ack(scope=ledger, ref="ledger", lease=lease))
    services.seek_shards(scope=ledger, ref="ledger", to={made.shard: made.seq - 1})
    assert take(ledger) == [made.seq]


def test_leases_are_forgotten_an_hour_after_their_end(stage: Stage) -> None:
    stage.event()
    kept, old = leased(stage.scope), ids.uuid7()
    Lease.objects.create(
        id=UUID(bytes=old), position=stage.position, shards=[1], events=1, until="2020-01-01T00:00:00Z"
    )
    assert tasks.trim() >= 1
    assert list(Lease.objects.filter(position=stage.position).values_list("id", flat=True)) == [
        UUID(bytes=kept)
    ]
