"""Positions as rows: made, changed, moved, deleted; whose they are; how one stands."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hub.consumption import selectors, services
from hub.consumption.models import Lease, Mark, Position
from hub.core.problems import ProblemError
from hub.tenants.models import AuditEntry
from hub.tenants.scoping import Scope
from hub.tenants.services import consumers
from tests.cast import Cast
from tests.consumption.stage import bound, given, read, seqs, take
from tests.eventlog.rows import event

NOW = datetime.now(UTC)


def audited(position: Position) -> list[tuple[str, dict[str, object]]]:
    return list(
        AuditEntry.objects.filter(target=position.uid).order_by("id").values_list("action", "changes")
    )


def refused(code: str, act: object) -> None:
    with pytest.raises(ProblemError) as found:
        act()  # type: ignore[operator]
    assert found.value.problem.code == code


def test_every_change_leaves_an_entry(scope: Scope) -> None:
    position = services.create(scope=scope, name="ledger", types=["order.*"], consumer="acme")
    services.update(scope=scope, ref="ledger", changes={"types": ["*"], "channels": []})
    services.update(scope=scope, ref="ledger", changes={"types": ["*"]})
    services.seek(scope=scope, ref="ledger", to="beginning")
    services.delete(scope=scope, ref="ledger")
    found = audited(position)
    assert [action for action, _ in found] == [
        "position.created", "position.updated", "position.sought", "position.deleted",
    ]  # fmt: skip
    created, updated, sought, _ = (changes for _, changes in found)
    assert (created["name"], created["start"]) == ([None, "ledger"], [None, "now"])
    assert str(created["consumer"]).startswith("[None, 'con_")
    assert updated == {"types": [["order.*"], ["*"]]}
    assert sought == {"to": [None, "beginning"]}


def test_reading_and_acknowledging_leave_none(cast: Cast, scope: Scope) -> None:
    position = services.create(scope=scope, name="ledger")
    event(cast.alice.live)
    take(scope)
    assert [action for action, _ in audited(position)] == ["position.created"]


def test_a_version_that_is_not_the_present_one_changes_nothing(scope: Scope) -> None:
    services.create(scope=scope, name="ledger")
    for act in (
        lambda: services.update(scope=scope, ref="ledger", changes={"types": ["a"]}, expected_version=2),
        lambda: services.delete(scope=scope, ref="ledger", expected_version=2),
    ):
        refused("precondition-failed", act)
    assert Position.objects.get().types == ["*"]
    assert (
        services.update(scope=scope, ref="ledger", changes={"types": ["a"]}, expected_version=1).version == 2
    )


def test_names_are_there_once_in_each_namespace(cast: Cast, scope: Scope) -> None:
    services.create(scope=scope, name="ledger")
    refused("conflict", lambda: services.create(scope=scope, name="ledger", consumer="acme"))
    own = services.create(scope=bound(cast), name="ledger")
    refused("conflict", lambda: services.create(scope=bound(cast), name="ledger"))
    services.create(scope=cast.alice.test_scope, name="ledger")
    assert (own.own, own.consumer) == (True, cast.acme)
    assert selectors.position(bound(cast), "ledger") == own
    assert selectors.position(scope, "ledger") != own
    # The environment reaches its consumers' by their ids.
    assert selectors.position(scope, own.uid) == own


def test_a_consumers_key_reaches_what_its_own_keys_made_alone(cast: Cast, scope: Scope) -> None:
    for consumer in (None, "acme"):
        made = services.create(scope=scope, name=f"of-{consumer}", consumer=consumer)
        for ref in (made.name, made.uid):
            refused("not-found", lambda ref=ref: selectors.position(bound(cast), ref))
    refused("not-found", lambda: services.create(scope=bound(cast), name="x", consumer="globex"))
    assert list(selectors.positions(bound(cast))) == []


def test_what_is_read_from_is_what_is_shown(cast: Cast, scope: Scope) -> None:
    made = [
        services.create(scope=scope, name="ledger", types=["order.*"], channels=["eu"]),
        services.create(scope=scope, name="theirs", consumer="acme"),
        services.create(scope=bound(cast), name="ledger"),
        services.create(scope=cast.alice.test_scope, name="ledger"),
        services.create(scope=cast.charlie.scope, name="ledger"),
    ]
    found = 0
    for one in (scope, bound(cast), cast.alice.test_scope, cast.charlie.scope, cast.bob.scope):
        for ref in ("ledger", "theirs", "nothing", "a\x00", "é", *(position.uid for position in made)):
            try:
                shown = selectors.position(one, ref)
            except ProblemError:
                refused("not-found", lambda one=one, ref=ref: selectors.reached(one, ref))
            else:
                reached = selectors.reached(one, ref)
                assert (reached.id, reached.filter) == (shown.id, selectors.filter_of(shown))
                found += 1
    assert found == 5 + 2 + 2 + 2 + 5


@pytest.mark.parametrize("ref", ["nothing", "pos_nothing", "", "é", "a\x00b", "pos_"])
def test_what_is_not_there_is_not_found(scope: Scope, ref: str) -> None:
    services.create(scope=scope, name="ledger")
    refused("not-found", lambda: selectors.position(scope, ref))


@pytest.mark.parametrize(
    "values", [{"name": ""}, {"name": "pos_x"}, {"types": []}, {"types": ["a**"]}, {"channels": ["a b"]}]
)
def test_what_makes_no_sense_is_refused(scope: Scope, values: dict[str, object]) -> None:
    refused("invalid", lambda: services.create(scope=scope, **{"name": "ledger", **values}))
    assert not Position.objects.exists()


def test_how_many_there_are_is_bounded(scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services.positions, "MOST", 1)
    services.create(scope=scope, name="one")
    refused("conflict", lambda: services.create(scope=scope, name="two"))


def test_with_its_consumer_a_position_goes(cast: Cast, scope: Scope) -> None:
    services.create(scope=bound(cast), name="own")
    theirs = services.create(scope=scope, name="theirs", consumer="acme")
    services.create(scope=scope, name="all")
    event(cast.alice.live, consumer=cast.acme)
    read(scope, "theirs")
    services.delete_consumer(scope=scope, ref="acme")
    assert [position.name for position in Position.objects.all()] == ["all"]
    assert not Lease.objects.exists()
    assert audited(theirs)[-1][0] == "position.deleted"


def test_a_deleted_position_takes_its_leases_and_frees_its_name(cast: Cast, scope: Scope) -> None:
    services.create(scope=scope, name="ledger")
    event(cast.alice.live)
    lease = read(scope).lease
    services.delete(scope=scope, ref="ledger")
    assert not Mark.objects.exists()
    assert lease is not None
    refused("not-found", lambda: services.ack(scope=scope, ref="ledger", lease=lease))
    services.create(scope=scope, name="ledger")


def test_a_changed_filter_is_in_force_with_the_next_read_and_for_what_lies_before_it(
    cast: Cast, scope: Scope
) -> None:
    services.create(scope=scope, name="ledger", types=["order.*"])
    users = [event(cast.alice.live, type="user.made") for _ in range(2)]
    take(scope)
    services.update(scope=scope, ref="ledger", changes={"types": ["user.*"]})
    later = event(cast.alice.live, type="user.made")
    assert take(scope) == [later.seq]
    services.seek(scope=scope, ref="ledger", to=users[0].at)
    assert take(scope) == given(*users, later)


def test_a_seek_goes_back_in_time_over_all_shards(cast: Cast, scope: Scope) -> None:
    services.create(scope=scope, name="ledger")
    # In the log as in time: own, Acme's, own, …
    events, acmes = zip(
        *(
            (event(cast.alice.live, at=NOW - timedelta(hours=age)),
             event(cast.alice.live, consumer=cast.acme, at=NOW - timedelta(hours=age)))
            for age in (3, 2, 1)
        ), strict=True,
    )  # fmt: skip
    assert sorted(take(scope)) == sorted(given(*events, *acmes))
    services.seek(scope=scope, ref="ledger", to=NOW - timedelta(minutes=90))
    assert sorted(take(scope)) == given(events[2], acmes[2])
    services.seek(scope=scope, ref="ledger", to="now")
    assert take(scope) == []


def test_a_seek_in_time_is_no_gate_for_a_shard_that_appears_later(cast: Cast, scope: Scope) -> None:
    services.create(scope=scope, name="ledger")
    services.seek(scope=scope, ref="ledger", to=NOW - timedelta(hours=1))
    initech = consumers.create(scope=scope, uid="initech")
    # Its clock may have gone back meanwhile.
    first = event(cast.alice.live, consumer=initech, at=NOW - timedelta(hours=2))
    assert take(scope) == [first.seq]


def test_some_shards_are_moved_alone(cast: Cast, scope: Scope) -> None:
    services.create(scope=scope, name="ledger")
    events = [event(cast.alice.live) for _ in range(3)]
    acmes = event(cast.alice.live, consumer=cast.acme)
    take(scope)
    services.seek_shards(scope=scope, ref="ledger", to={events[0].shard: events[0].seq})
    assert take(scope) == given(*events[1:])
    assert Mark.objects.get(shard=acmes.shard).upto == acmes.seq


@pytest.mark.parametrize("to", [{}, {"other": 0}, {"own": 2**60}])
def test_a_shard_or_offset_that_is_not_there_moves_nothing(
    cast: Cast, scope: Scope, to: dict[str, int]
) -> None:
    services.create(scope=scope, name="ledger")
    made = event(cast.alice.live)
    own = {made.shard, cast.acme.shard, cast.globex.shard}
    other = next(shard for shard in range(64) if shard not in own)
    batch = read(scope)
    moved = {made.shard if name == "own" else other: offset for name, offset in to.items()}
    refused("invalid", lambda: services.seek_shards(scope=scope, ref="ledger", to=moved))
    assert batch.lease is not None
    assert services.ack(scope=scope, ref="ledger", lease=batch.lease).status == "acked"


def test_how_a_position_stands(cast: Cast, scope: Scope) -> None:
    position = services.create(scope=scope, name="ledger", types=["order.*"])
    assert (selectors.standing(position).events, selectors.standing(position).oldest_at) == (0, None)
    oldest = event(cast.alice.live, at=NOW - timedelta(minutes=5))
    event(cast.alice.live, type="user.made")
    acmes = event(cast.alice.live, consumer=cast.acme)
    batch = read(scope, limit=1)
    stands = selectors.standing(position)
    assert (stands.events, stands.exact, stands.oldest_at) == (2, True, oldest.at)
    assert stands.lag_s is not None
    assert 300 <= stands.lag_s < 400
    (lease,) = stands.leases
    assert (lease.id.bytes, lease.until) == (batch.lease, batch.until)
    assert lease.shards == [batch.events[0].shard]
    assert {row.shard for row in stands.shards} == {
        cast.alice.live.shard, cast.acme.shard, cast.globex.shard,
    }  # fmt: skip
    held = {row.shard: row.leased_until for row in stands.shards}
    assert [shard for shard, until in held.items() if until is not None] == lease.shards
    assert seqs(batch)[0] in given(oldest, acmes)


def test_a_shard_that_nobody_has_read_yet_counts_in_the_backlog(cast: Cast, scope: Scope) -> None:
    position = services.create(scope=scope, name="ledger")
    initech = consumers.create(scope=scope, uid="initech")
    event(cast.alice.live, consumer=initech)
    stands = selectors.standing(position)
    assert (stands.events, initech.shard in {row.shard for row in stands.shards}) == (1, True)


def test_counting_has_a_bound_and_says_so(cast: Cast, scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selectors, "COUNTED", 1)
    monkeypatch.setattr(selectors, "LEAST_COUNTED", 3)
    position = services.create(scope=scope, name="ledger")
    for _ in range(5):
        event(cast.alice.live)
    stands = selectors.standing(position)
    assert (stands.events, stands.exact) == (3, False)
