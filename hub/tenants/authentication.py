"""From the text of an API key to the scope it opens.

Looks up the hash only, and says why a key no longer works.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection

from hub.tenants import keys
from hub.tenants.models import ApiKey
from hub.tenants.scoping import Scope

_SEEN_EVERY = timedelta(minutes=1)
# Every request of the API begins with this, so it is written out: composing it by the ORM costs more than running it.
_LOOK_UP = """
    SELECT k.id, k.uid, e.tenant_id, k.environment_id, k.consumer_id, k.scopes,
           k.revoked_at IS NOT NULL, k.expires_at, k.last_used_at, t.suspended
    FROM tenants_apikey k
    JOIN tenants_environment e ON e.id = k.environment_id
    JOIN tenants_tenant t ON t.id = e.tenant_id
    WHERE k.hash = %s
"""


class KeyRefused(Exception):
    """The key does not open anything; the message may be shown to whoever sent it."""


class TenantSuspended(Exception):
    """The key is good, but its tenant is suspended."""


def authenticate(*, text: str, now: datetime, ip: str | None = None, request_id: str = "") -> Scope:
    """The scope that the key opens; its last use is noted once a minute."""
    try:
        keys.parse(text)
    except keys.BadKey as error:
        raise KeyRefused(f"This is not an API key: {error}.") from None
    with connection.cursor() as cursor:
        cursor.execute(_LOOK_UP, [keys.digest(text)])
        row = cursor.fetchone()
    if row is None:
        raise KeyRefused("There is no such API key.")
    key_id, uid, tenant, environment, consumer, scopes, revoked, expires_at, last_used_at, suspended = row
    if revoked:
        raise KeyRefused("This API key was revoked.")
    if expires_at is not None and expires_at <= now:
        raise KeyRefused("This API key has expired.")
    if suspended:
        raise TenantSuspended("This tenant is suspended; only staff can resume it.")
    if last_used_at is None or now - last_used_at >= _SEEN_EVERY:
        ApiKey.objects.filter(id=key_id).update(last_used_at=now)
    return Scope(tenant, environment, consumer, "key", uid, frozenset(scopes), ip, request_id)
