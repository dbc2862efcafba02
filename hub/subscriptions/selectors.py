"""The one door to subscriptions and their secrets, for a scope. Never shows a deleted one or another's."""

from __future__ import annotations

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from hub.subscriptions.models import Secret, Subscription
from hub.tenants import refusals
from hub.tenants.scoping import Scope


def subscriptions(scope: Scope) -> QuerySet[Subscription]:
    """What the scope can reach: its environment's, or its consumer's alone."""
    rows = Subscription.objects.filter(
        environment_id=scope.environment_id, environment__tenant_id=scope.tenant_id, deleted_at=None
    ).select_related("consumer")
    return rows if scope.consumer_id is None else rows.filter(consumer_id=scope.consumer_id)


def subscription(scope: Scope, uid: str, *, lock: bool = False) -> Subscription:
    """One of them, or a 404."""
    rows = subscriptions(scope)
    if lock:
        rows = rows.select_for_update(of=("self",), no_key=True)
    found = rows.filter(uid=uid).first() if uid.isascii() and "\x00" not in uid else None
    if found is None:
        raise refusals.not_found("subscription")
    return found


def live_secrets(subscription: Subscription) -> QuerySet[Secret]:
    """Those that still sign, newest first. The subscription must come from this door."""
    return subscription.secrets.filter(Q(expires_at=None) | Q(expires_at__gt=Now())).order_by("-id")
