"""API keys: made (the text is returned once), changed, revoked.

Every change counts in the "keys" generation.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from hub.core.ids import new_id
from hub.tenants import keys, refusals, roles
from hub.tenants.models import ApiKey
from hub.tenants.scoping import Scope, missing
from hub.tenants.services import audit, checks
from hub.tenants.services.generations import bump

_FIELDS = ("name", "prefix", "scopes", "rate_limit", "expires_at")


def create(
    *,
    scope: Scope,
    name: str,
    scopes: Sequence[str],
    now: datetime,
    consumer: str | None = None,
    rate_limit: int | None = None,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """The key and its text, which can't be had again.

    `consumer` (con_ id or uid) binds it to one consumer.
    """
    scope.whole_environment()
    bound = None if consumer is None else scope.consumer(consumer)
    values = {"name": name, "scopes": list(scopes), "rate_limit": rate_limit, "expires_at": expires_at}
    _check(values, scope=scope, for_consumer=bound is not None, now=now)
    environment = scope.environment()
    made = keys.make(kind=environment.kind, random=os.urandom(32))
    with transaction.atomic():
        key = ApiKey.objects.create(
            uid=new_id("key"),
            environment=environment,
            consumer=bound,
            prefix=made.prefix,
            hash=made.hash,
            created_by=scope.actor,
            **values,
        )
        bump("keys")
        changes = audit.created(key, _FIELDS)
        if bound is not None:
            changes["consumer"] = [None, bound.public_id]
        audit.record(scope=scope, action="key.created", target_kind="key", target=key.uid, changes=changes)
    return key, made.text


def update(
    *, scope: Scope, uid: str, changes: Mapping[str, Any], now: datetime, expected_version: int | None = None
) -> ApiKey:
    """Change name, scopes, rate_limit or expires_at."""
    scope.whole_environment()
    with transaction.atomic():
        key = scope.key(uid, lock=True)
        refusals.check_version(expected=expected_version, version=key.version)
        _check(changes, scope=scope, for_consumer=key.consumer_id is not None, now=now)
        done = audit.apply(key, changes)
        if done:
            key.version += 1
            key.save(update_fields=[*done, "version"])
            bump("keys")
            audit.record(scope=scope, action="key.updated", target_kind="key", target=key.uid, changes=done)
    return key


def revoke(*, scope: Scope, uid: str, expected_version: int | None = None) -> None:
    """The key is refused from the next request on."""
    scope.whole_environment()
    with transaction.atomic():
        key = scope.key(uid, lock=True)
        refusals.check_version(expected=expected_version, version=key.version)
        ApiKey.objects.filter(id=key.id).update(revoked_at=Now(), version=key.version + 1)
        bump("keys")
        audit.record(
            scope=scope,
            action="key.revoked",
            target_kind="key",
            target=key.uid,
            changes={"prefix": [key.prefix, None]},
        )


def _check(values: Mapping[str, Any], *, scope: Scope, for_consumer: bool, now: datetime) -> None:
    errors = list(checks.name(values["name"])) if "name" in values else []
    scopes = values.get("scopes")
    if scopes is not None:
        if not scopes:
            errors.append(("scopes", "must name at least one scope"))
        if unknown := roles.unknown_scopes(scopes, for_consumer=for_consumer):
            sort = "a consumer's key" if for_consumer else "a key"
            errors.append(("scopes", f"{', '.join(unknown)}: {sort} can't have it"))
        if len(set(scopes)) != len(scopes):
            errors.append(("scopes", "must not name a scope twice"))
    rate_limit = values.get("rate_limit")
    if rate_limit is not None and not 1 <= rate_limit <= 1_000_000:
        errors.append(("rate_limit", "must be from 1 to 1000000 requests a second"))
    expires_at = values.get("expires_at")
    if expires_at is not None and expires_at <= now:
        errors.append(("expires_at", "must lie in the future"))
    if errors:
        raise refusals.invalid(errors)
    if beyond := missing(scopes or (), scope=scope):
        raise refusals.forbidden(f"You can't grant what you do not have yourself: {', '.join(beyond)}.")
