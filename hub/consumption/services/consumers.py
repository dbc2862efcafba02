"""Ending a consumer with the positions that were its own, or that read it alone. What else it has, ends below."""

from __future__ import annotations

from django.db import transaction

from hub.consumption import selectors
from hub.subscriptions import services as subscriptions
from hub.tenants.scoping import Scope
from hub.tenants.services import audit


def delete_consumer(*, scope: Scope, ref: str, expected_version: int | None = None) -> None:
    """End a consumer with all that is its own: subscriptions, keys, positions."""
    scope.whole_environment()
    with transaction.atomic():
        consumer = scope.consumer(ref, lock=True)
        subscriptions.delete_consumer(scope=scope, ref=ref, expected_version=expected_version)
        owned = selectors.positions(scope).filter(consumer=consumer).select_for_update(of=("self",))
        for position in owned.order_by("id"):
            audit.record(
                scope=scope,
                action="position.deleted",
                target_kind="position",
                target=position.uid,
                changes={"name": [position.name, None]},
            )
            position.delete()
