"""The end of every change of a subscription: version, generation, save, audit entry.

Never decides anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models.functions import Now

from hub.subscriptions.models import Subscription
from hub.tenants.scoping import Scope
from hub.tenants.services import audit, bump


def touch(
    *,
    scope: Scope,
    subscription: Subscription,
    action: str,
    fields: Iterable[str] = (),
    changes: Mapping[str, Any],
) -> None:
    """Save the named fields of a locked row as its next version. Stands in the caller's transaction."""
    subscription.version += 1
    subscription.updated_at = Now()
    subscription.generation = bump("subscriptions")
    subscription.save(update_fields=[*fields, "version", "updated_at", "generation"])
    subscription.refresh_from_db(fields=["updated_at", "state_since"])
    audit.record(
        scope=scope,
        action=action,
        target_kind="subscription",
        target=subscription.uid,
        changes=changes,
    )
