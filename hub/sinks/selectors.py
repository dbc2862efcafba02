"""The one door to sinks and what they caught, for a scope. Never shows another environment's."""

from __future__ import annotations

from django.db.models import QuerySet

from hub.sinks.addresses import is_token
from hub.sinks.models import Caught, Sink
from hub.tenants import refusals
from hub.tenants.scoping import Scope


def sinks(scope: Scope) -> QuerySet[Sink]:
    """The environment's; none for a consumer's key."""
    rows = Sink.objects.filter(environment_id=scope.environment_id, environment__tenant_id=scope.tenant_id)
    return rows if scope.consumer_id is None else rows.none()


def sink(scope: Scope, uid: str, *, lock: bool = False) -> Sink:
    """One of them, or a 404."""
    rows = sinks(scope)
    if lock:
        rows = rows.select_for_update(of=("self",), no_key=True)
    found = rows.filter(uid=uid).first() if uid.isascii() and "\x00" not in uid else None
    if found is None:
        raise refusals.not_found("sink")
    return found


def requests(scope: Scope, uid: str) -> QuerySet[Caught]:
    """What a sink caught."""
    return Caught.objects.filter(sink=sink(scope, uid))


def has_token(scope: Scope, token: str) -> bool:
    """Is this the token of a sink of the scope's environment? A consumer's subscriptions may use those too."""
    return Sink.objects.filter(
        environment_id=scope.environment_id, environment__tenant_id=scope.tenant_id, token=token
    ).exists()


def environment_of(token: str) -> int | None:
    """Whose sink this is; None if there is no such."""
    if not is_token(token):
        return None
    found: int | None = Sink.objects.filter(token=token).values_list("environment_id", flat=True).first()
    return found
