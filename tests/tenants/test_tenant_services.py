"""Changes of tenants' rows: their rules, their audit entries, their generations."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from hub.core.problems import ProblemError
from hub.tenants import scoping
from hub.tenants.models import SHARDS, AuditEntry, Consumer, Environment, Generation, Member, User
from hub.tenants.services import bump, consumers, keys, members, tenants
from hub.tenants.services.generations import NotInTransaction
from tests.cast import NOW, Cast


def refused(code: str) -> Any:
    return pytest.raises(ProblemError, match=code)


def test_environments_get_shards_nobody_has_yet(cast: Cast) -> None:
    kinds = [
        tenants.create_environment(tenant=cast.alice.tenant, name=f"e{number}", kind="test")
        for number in range(SHARDS - 4)
    ]
    assert len({row.shard for row in kinds}) == SHARDS - 4
    assert sorted(Environment.objects.values_list("shard", flat=True)) == list(range(SHARDS))
    again = tenants.create_environment(tenant=cast.alice.tenant, name="one-more", kind="test")
    assert again.shard == 0


def test_an_environments_name_is_there_once_a_tenant(cast: Cast) -> None:
    with refused("conflict"):
        tenants.create_environment(tenant=cast.alice.tenant, name="live", kind="live")
    with refused("invalid"):
        tenants.create_environment(tenant=cast.alice.tenant, name="stage", kind="stage")
    with refused("conflict"):
        tenants.create(name="A", slug="tenant-a")


def test_the_kill_switch_of_a_tenant_counts_in_both_generations(cast: Cast) -> None:
    before = dict(Generation.objects.values_list("name", "value"))
    scope = scoping.staff(tenant=cast.alice.tenant, actor="ops@hub.example")
    assert tenants.set_suspended(scope=scope, suspended=True).suspended
    tenants.set_suspended(scope=scope, suspended=True)
    after = dict(Generation.objects.values_list("name", "value"))
    assert after == {name: value + 1 for name, value in before.items()}
    entry = AuditEntry.objects.get(action="tenant.suspended")
    assert (entry.actor_kind, entry.actor, entry.environment) == ("staff", "ops@hub.example", None)
    assert entry.changes == {"suspended": [False, True]}


def test_a_generation_counts_inside_a_transaction_only(cast: Cast) -> None:
    with transaction.atomic():
        first = bump("keys")
        assert bump("keys") == first + 1


def test_a_generation_outside_of_a_transaction_is_a_mistake() -> None:
    with pytest.raises(NotInTransaction, match="atomic"):
        bump("keys")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE tenants_auditentry SET actor = 'nobody'",
        "DELETE FROM tenants_auditentry",
        "TRUNCATE tenants_auditentry",
    ],
)
def test_audit_entries_can_only_be_added(cast: Cast, statement: str) -> None:
    before = AuditEntry.objects.count()
    connection.check_constraints()
    with (
        pytest.raises(DatabaseError, match="only ever added"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert AuditEntry.objects.count() == before > 0


@pytest.mark.parametrize("uid", ["con_x", "a b", "", "x" * 129])
def test_the_database_itself_refuses_an_ill_formed_uid(cast: Cast, uid: str) -> None:
    with pytest.raises((IntegrityError, DatabaseError)), transaction.atomic():
        Consumer.objects.create(public_id="con_1", uid=uid, environment=cast.alice.live, shard=0)


def test_consumers_spread_over_the_shards(cast: Cast) -> None:
    made = [consumers.create(scope=cast.alice.scope, uid=f"c{number}").shard for number in range(100)]
    assert len(set(made)) > 30
    assert all(0 <= shard < SHARDS for shard in made)


def test_metadata_is_bounded_in_depth_and_size(cast: Cast) -> None:
    deep: Any = "x"
    for _ in range(30):
        deep = [deep]
    for metadata in ({"a": deep}, {"a": "é" * 5000}, {"a": float("inf")}, {"\x00": 1}):
        with refused("invalid"):
            consumers.create(scope=cast.alice.scope, uid="x", metadata=metadata)


def test_a_consumers_scope_can_change_nothing_of_the_environment(cast: Cast) -> None:
    scope = scoping.Scope(cast.alice.tenant.id, cast.alice.live.id, cast.acme.id, "key", "key_1", frozenset())
    attempts = (
        lambda: consumers.create(scope=scope, uid="x"),
        lambda: consumers.update(scope=scope, ref="acme", changes={"name": "x"}),
        lambda: keys.create(scope=scope, name="", scopes=["events:write"], now=NOW),
        lambda: members.add(scope=scope, email="x@y.example", role="owner"),
        lambda: tenants.update_environment(scope=scope, changes={"paused": True}),
    )
    for attempt in attempts:
        with refused("forbidden"):
            attempt()
    assert (scope.keys().count(), scope.members().count(), scope.audit().count()) == (0, 0, 0)
    assert [row.uid for row in scope.consumers()] == ["acme"]


def test_a_scope_of_mismatched_tenant_and_environment_reaches_nothing(cast: Cast) -> None:
    forged = scoping.Scope(cast.charlie.tenant.id, cast.alice.live.id, None, "key", "key_1", frozenset())
    assert forged.consumers().count() == forged.keys().count() == forged.environments().count() == 0
    with refused("not-found"):
        forged.environment()
    with refused("not-found"):
        scoping.member(member=cast.charlie.member, environment=cast.alice.live)


def test_a_members_scope_has_the_permissions_of_the_role(cast: Cast) -> None:
    assert "members:write" in cast.alice.scope.scopes
    assert "members:write" not in cast.bob.scope.scopes
    assert cast.bob.scope.actor == "bob@a.example"


def test_an_email_is_one_person_however_it_is_typed(cast: Cast) -> None:
    members.add(scope=cast.charlie.scope, email=" ALICE@a.example ", role="viewer")
    assert User.objects.filter(email__iexact="alice@a.example").count() == 1
    assert Member.objects.filter(user=cast.alice.user).count() == 2
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create(email="Upper@a.example")
