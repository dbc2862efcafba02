"""Members: added by email, given another role, removed. A tenant never loses its last owner."""

from __future__ import annotations

from django.db import IntegrityError, transaction

from hub.core.ids import new_id
from hub.tenants import refusals, roles
from hub.tenants.models import Member, Tenant, User
from hub.tenants.scoping import Scope
from hub.tenants.services import audit


def add(*, scope: Scope, email: str, role: str) -> Member:
    """Make the person with this email a member. A person not known yet is made, without a password."""
    scope.whole_environment()
    _check_role(role)
    email = email.strip().lower()
    try:
        with transaction.atomic():
            tenant = scope.tenant().get()
            user = User.objects.filter(email=email).first() or User.objects.create_user(email)
            member = Member.objects.create(uid=new_id("mem"), tenant=tenant, user=user, role=role)
            audit.record(
                scope=scope,
                action="member.added",
                target_kind="member",
                target=member.uid,
                changes={"email": [None, email], "role": [None, role]},
            )
    except IntegrityError:
        raise refusals.conflict(f"{email} is a member already; change the role instead.") from None
    return member


def change_role(*, scope: Scope, uid: str, role: str, expected_version: int | None = None) -> Member:
    scope.whole_environment()
    _check_role(role)
    with transaction.atomic():
        _lock(scope)
        member = scope.member(uid, lock=True)
        refusals.check_version(expected=expected_version, version=member.version)
        if role != "owner":
            _keep_an_owner(member)
        changes = audit.apply(member, {"role": role})
        if changes:
            member.version += 1
            member.save(update_fields=["role", "version"])
            audit.record(
                scope=scope,
                action="member.role_changed",
                target_kind="member",
                target=member.uid,
                changes=changes,
            )
    return member


def remove(*, scope: Scope, uid: str, expected_version: int | None = None) -> None:
    scope.whole_environment()
    with transaction.atomic():
        _lock(scope)
        member = scope.member(uid, lock=True)
        refusals.check_version(expected=expected_version, version=member.version)
        _keep_an_owner(member)
        audit.record(
            scope=scope,
            action="member.removed",
            target_kind="member",
            target=member.uid,
            changes={"email": [member.user.email, None], "role": [member.role, None]},
        )
        member.delete()


def _lock(scope: Scope) -> Tenant:
    # Two owners who remove each other at once must not both succeed.
    return scope.tenant().select_for_update(no_key=True).get()


def _keep_an_owner(member: Member) -> None:
    others = Member.objects.filter(tenant_id=member.tenant_id, role="owner").exclude(id=member.id)
    if member.role == "owner" and not others.exists():
        raise refusals.invalid([("role", "this is the last owner; make somebody else an owner first")])


def _check_role(role: str) -> None:
    if role not in roles.ROLES:
        raise refusals.invalid([("role", f"must be one of {', '.join(roles.ROLES)}")])
