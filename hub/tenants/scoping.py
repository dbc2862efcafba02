"""The one door to tenant-owned rows: who acts, and querysets of what that actor can reach.

Never an unscoped queryset.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from hub.tenants import refusals
from hub.tenants.models import ApiKey, AuditEntry, Consumer, Environment, Member, Tenant
from hub.tenants.roles import EVERYTHING, PERMISSIONS


@dataclass(frozen=True, slots=True)
class Scope:
    """One actor in one environment, or (with consumer_id) in one consumer of it.

    actor_kind: member, key, staff or system. `environment_id` None means the tenant alone, without any
    environment's rows.
    """

    tenant_id: int
    environment_id: int | None
    consumer_id: int | None
    actor_kind: str
    actor: str
    scopes: frozenset[str]
    ip: str | None = None
    request_id: str = ""

    def tenant(self) -> QuerySet[Tenant]:
        return Tenant.objects.filter(id=self.tenant_id)

    def environments(self) -> QuerySet[Environment]:
        """The scope's environment, as a queryset of one."""
        return Environment.objects.filter(tenant_id=self.tenant_id, id=self.environment_id)

    def consumers(self) -> QuerySet[Consumer]:
        rows = Consumer.objects.filter(self._environment(), deleted_at=None)
        return rows if self.consumer_id is None else rows.filter(id=self.consumer_id)

    def keys(self) -> QuerySet[ApiKey]:
        """Keys that were not revoked. None for a consumer's key: it can't even see itself."""
        rows = ApiKey.objects.filter(self._environment(), revoked_at=None)
        return rows.none() if self.consumer_id is not None else rows

    def members(self) -> QuerySet[Member]:
        rows = Member.objects.filter(tenant_id=self.tenant_id)
        return rows.none() if self.consumer_id is not None else rows

    def audit(self) -> QuerySet[AuditEntry]:
        """Entries of the environment and those of the tenant as a whole."""
        rows = AuditEntry.objects.filter(
            Q(environment_id=self.environment_id) | Q(environment=None), tenant_id=self.tenant_id
        )
        return rows.none() if self.consumer_id is not None else rows

    def environment(self, *, lock: bool = False) -> Environment:
        rows = self.environments().select_related("tenant")
        found = (rows.select_for_update(of=("self",), no_key=True) if lock else rows).first()
        if found is None:
            raise refusals.not_found("environment")
        return found

    def consumer(self, ref: str, *, lock: bool = False) -> Consumer:
        """A consumer by its con_ id or by the uid its tenant chose."""
        rows = self.consumers().select_for_update(no_key=True) if lock else self.consumers()
        # A uid can't begin with con_, so the two never mean different rows.
        found = rows.filter(**{"public_id" if ref.startswith("con_") else "uid": _key(ref)}).first()
        if found is None:
            raise refusals.not_found("consumer")
        return found

    def key(self, uid: str, *, lock: bool = False) -> ApiKey:
        return _one(self.keys(), uid, what="key", lock=lock)

    def member(self, uid: str, *, lock: bool = False) -> Member:
        return _one(self.members().select_related("user"), uid, what="member", lock=lock)

    def whole_environment(self) -> None:
        """Refuses a consumer's key: what follows concerns the environment as a whole."""
        if self.consumer_id is not None:
            raise refusals.forbidden(
                "This key belongs to one consumer and can't act on the whole environment."
            )

    def _environment(self) -> Q:
        return Q(environment_id=self.environment_id, environment__tenant_id=self.tenant_id)


def system(*, environment: Environment, actor: str) -> Scope:
    """The hub itself acting in an environment; `actor` names the part, such as "engine"."""
    return Scope(environment.tenant_id, environment.id, None, "system", actor, EVERYTHING)


def staff(*, tenant: Tenant, actor: str, ip: str | None = None) -> Scope:
    """Staff acting on a tenant as a whole."""
    return Scope(tenant.id, None, None, "staff", actor, EVERYTHING, ip)


def member(*, member: Member, environment: Environment, ip: str | None = None, request_id: str = "") -> Scope:
    """A signed-in member acting in an environment of the tenant, with the permissions of the role."""
    if environment.tenant_id != member.tenant_id:
        raise refusals.not_found("environment")
    permissions = PERMISSIONS[member.role]
    return Scope(
        member.tenant_id, environment.id, None, "member", member.user.email, permissions, ip, request_id
    )


def _one(rows: QuerySet[Any], uid: str, *, what: str, lock: bool) -> Any:
    found = (
        (rows.select_for_update(of=("self",), no_key=True) if lock else rows).filter(uid=_key(uid)).first()
    )
    if found is None:
        raise refusals.not_found(what)
    return found


def _key(text: str) -> str:
    # PostgreSQL refuses NUL in a parameter; no id has one, so such a text finds nothing.
    return "" if "\x00" in text or not text.isascii() else text


def missing(wanted: Iterable[str], *, scope: Scope) -> list[str]:
    """The wanted permissions that the actor does not have."""
    return [name for name in wanted if name not in scope.scopes]
