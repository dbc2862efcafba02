"""Writes audit entries, in the transaction of the change they tell of. Never a secret's value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from hub.core.ids import new_id
from hub.tenants.models import AuditEntry
from hub.tenants.scoping import Scope


def record(
    *, scope: Scope, action: str, target_kind: str, target: str, changes: Mapping[str, Any] | None = None
) -> AuditEntry:
    """`action` is such as "subscription.created", `target` the public id, `changes` {field: [old, new]}."""
    return AuditEntry.objects.create(
        uid=new_id("aud"),
        tenant_id=scope.tenant_id,
        environment_id=scope.environment_id,
        actor_kind=scope.actor_kind,
        actor=scope.actor,
        action=action,
        target_kind=target_kind,
        target=target,
        changes=dict(changes or {}),
        ip=scope.ip,
        request_id=scope.request_id,
    )


def apply(row: Any, values: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Set the values on the row; what differs, as {field: [old, new]} for the entry. Saves nothing."""
    changes = {}
    for name, new in values.items():
        old = getattr(row, name)
        if old != new:
            changes[name] = [_plain(old), _plain(new)]
            setattr(row, name, new)
    return changes


def created(row: Any, names: Iterable[str]) -> dict[str, list[Any]]:
    """The changes of a row that is new: every named field from nothing to its value."""
    return {
        name: [None, _plain(getattr(row, name))] for name in names if getattr(row, name) not in (None, "")
    }


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
