"""Tenants and environments: made, renamed, paused, suspended. Neither is ever deleted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, connection, transaction

from hub.core.ids import new_id
from hub.tenants import refusals
from hub.tenants.models import Capture, Environment, Tenant
from hub.tenants.scoping import Scope
from hub.tenants.services import audit, checks
from hub.tenants.services.generations import bump

_LEAST_USED = """
    SELECT s FROM generate_series(0, 63) s LEFT JOIN tenants_environment e ON e.shard = s
    GROUP BY s ORDER BY count(e.id), s LIMIT 1
"""


def create(*, name: str, slug: str, actor_kind: str = "system", actor: str = "system") -> Tenant:
    """A tenant without environments or members."""
    if errors := list(checks.name(name, needed=True)):
        raise refusals.invalid(errors)
    try:
        with transaction.atomic():
            tenant = Tenant.objects.create(uid=new_id("ten"), name=name, slug=slug)
            scope = Scope(tenant.id, None, None, actor_kind, actor, frozenset())
            audit.record(scope=scope, action="tenant.created", target_kind="tenant", target=tenant.uid)
    except IntegrityError:
        raise refusals.conflict(
            f"There is a tenant with the slug {slug!r} already; choose another."
        ) from None
    return tenant


def set_suspended(*, scope: Scope, suspended: bool) -> Tenant:
    """The kill switch of a tenant: nothing is sent, and its keys are refused."""
    with transaction.atomic():
        tenant = scope.tenant().select_for_update(no_key=True).get()
        changes = audit.apply(tenant, {"suspended": suspended})
        if changes:
            tenant.save(update_fields=["suspended"])
            bump("keys")
            bump("subscriptions")
            action = "tenant.suspended" if suspended else "tenant.resumed"
            audit.record(scope=scope, action=action, target_kind="tenant", target=tenant.uid, changes=changes)
    return tenant


def create_environment(
    *, tenant: Tenant, name: str, kind: str, actor_kind: str = "system", actor: str = "system"
) -> Environment:
    """An environment with a shard of its own as long as there are free ones."""
    if errors := list(checks.name(name, max_length=100, needed=True)):
        raise refusals.invalid(errors)
    if kind not in Environment.Kind.values:
        raise refusals.invalid([("kind", "must be live or test")])
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(_LEAST_USED)
                shard = cursor.fetchone()[0]
            environment = Environment.objects.create(
                uid=new_id("env"), tenant=tenant, name=name, kind=kind, shard=shard
            )
            audit.record(
                scope=Scope(tenant.id, environment.id, None, actor_kind, actor, frozenset()),
                action="environment.created",
                target_kind="environment",
                target=environment.uid,
                changes=audit.created(environment, ("name", "kind", "shard")),
            )
    except IntegrityError:
        raise refusals.conflict(f"There is an environment {name!r} already; choose another name.") from None
    return environment


def update_environment(
    *, scope: Scope, changes: Mapping[str, Any], expected_version: int | None = None
) -> Environment:
    """Change the name, the kill switch `paused`, or what is captured of answers."""
    scope.whole_environment()
    errors = list(checks.name(changes["name"], max_length=100, needed=True)) if "name" in changes else []
    if changes.get("capture", "none") not in Capture.values:
        errors.append(("capture", f"must be one of {', '.join(Capture.values)}"))
    if errors:
        raise refusals.invalid(errors)
    try:
        with transaction.atomic():
            environment = scope.environment(lock=True)
            refusals.check_version(expected=expected_version, version=environment.version)
            done = audit.apply(environment, changes)
            if done:
                environment.version += 1
                environment.save(update_fields=[*done, "version"])
                bump("keys")
                if done.keys() & {"paused", "capture"}:
                    bump("subscriptions")
                audit.record(
                    scope=scope,
                    action="environment.updated",
                    target_kind="environment",
                    target=environment.uid,
                    changes=done,
                )
    except IntegrityError:
        raise refusals.conflict("There is an environment of that name already; choose another.") from None
    return environment
