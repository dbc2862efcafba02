"""From the text of an API key to the scope it opens.

Looks up the hash only, and says why a key no longer works.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from hub.tenants import keys
from hub.tenants.models import ApiKey
from hub.tenants.scoping import Scope

_SEEN_EVERY = timedelta(minutes=1)


class KeyRefused(Exception):
    """The key does not open anything; the message may be shown to whoever sent it."""


class TenantSuspended(Exception):
    """The key is good, but its tenant is suspended."""


def authenticate(
    *, text: str, now: datetime, ip: str | None = None, request_id: str = ""
) -> tuple[ApiKey, Scope]:
    """The key's row (with environment, tenant and consumer loaded) and its scope."""
    try:
        keys.parse(text)
    except keys.BadKey as error:
        raise KeyRefused(f"This is not an API key: {error}.") from None
    key = (
        ApiKey.objects.filter(hash=keys.digest(text))
        .select_related("environment__tenant", "consumer")
        .first()
    )
    if key is None:
        raise KeyRefused("There is no such API key.")
    if key.revoked_at is not None:
        raise KeyRefused("This API key was revoked.")
    if key.expires_at is not None and key.expires_at <= now:
        raise KeyRefused("This API key has expired.")
    if key.environment.tenant.suspended:
        raise TenantSuspended("This tenant is suspended; only staff can resume it.")
    if key.last_used_at is None or now - key.last_used_at >= _SEEN_EVERY:
        ApiKey.objects.filter(id=key.id).update(last_used_at=now)
    scope = Scope(
        tenant_id=key.environment.tenant_id,
        environment_id=key.environment_id,
        consumer_id=key.consumer_id,
        actor_kind="key",
        actor=key.uid,
        scopes=frozenset(key.scopes),
        ip=ip,
        request_id=request_id,
    )
    return key, scope
