"""Consumers: made, changed, ended.

Ending one here ends its keys, not its subscriptions (see hub.subscriptions.services).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zlib import crc32

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from hub.core.ids import new_id
from hub.tenants import refusals
from hub.tenants.models import SHARDS, ApiKey, Consumer
from hub.tenants.scoping import Scope
from hub.tenants.services import audit, checks
from hub.tenants.services.generations import bump

_FIELDS = ("uid", "name", "metadata", "limits")


def create(
    *,
    scope: Scope,
    uid: str,
    name: str = "",
    metadata: Mapping[str, Any] | None = None,
    limits: Mapping[str, Any] | None = None,
) -> Consumer:
    """A consumer of the scope's environment; `uid` is the caller's own name for it, once an environment."""
    scope.whole_environment()
    values = {"uid": uid, "name": name, "metadata": dict(metadata or {}), "limits": dict(limits or {})}
    _check(values)
    public_id = new_id("con")
    environment = scope.environment()
    try:
        with transaction.atomic():
            consumer = Consumer.objects.create(
                public_id=public_id,
                environment=environment,
                shard=crc32(public_id.encode()) % SHARDS,
                **values,
            )
            audit.record(
                scope=scope,
                action="consumer.created",
                target_kind="consumer",
                target=public_id,
                changes=audit.created(consumer, _FIELDS),
            )
    except IntegrityError:
        raise refusals.conflict(
            f"There is a consumer with the uid {uid!r} already; use it, or another uid."
        ) from None
    return consumer


def update(
    *, scope: Scope, ref: str, changes: Mapping[str, Any], expected_version: int | None = None
) -> Consumer:
    """Change uid, name, metadata or limits; each replaces the old value as a whole."""
    scope.whole_environment()
    _check(changes)
    try:
        with transaction.atomic():
            consumer = scope.consumer(ref, lock=True)
            refusals.check_version(expected=expected_version, version=consumer.version)
            done = audit.apply(consumer, changes)
            if done:
                consumer.version += 1
                consumer.updated_at = Now()
                consumer.save(update_fields=[*done, "version", "updated_at"])
                consumer.refresh_from_db(fields=["updated_at"])
                # A consumer's uid and limits are part of what ingest keeps about its keys.
                bump("keys")
                audit.record(
                    scope=scope,
                    action="consumer.updated",
                    target_kind="consumer",
                    target=consumer.public_id,
                    changes=done,
                )
    except IntegrityError:
        raise refusals.conflict("There is a consumer with that uid already; choose another.") from None
    return consumer


def end(*, scope: Scope, consumer: Consumer) -> None:
    """Make a tombstone of a locked consumer, revoke its keys. Stands in the caller's transaction."""
    scope.whole_environment()
    bump("keys")
    Consumer.objects.filter(id=consumer.id).update(deleted_at=Now(), version=consumer.version + 1)
    revoked = ApiKey.objects.filter(consumer=consumer, revoked_at=None).update(revoked_at=Now())
    bump("subscriptions")
    audit.record(
        scope=scope,
        action="consumer.deleted",
        target_kind="consumer",
        target=consumer.public_id,
        changes={"uid": [consumer.uid, None], "keys_revoked": [0, revoked]},
    )


def _check(values: Mapping[str, Any]) -> None:
    rules = {
        "uid": checks.consumer_uid,
        "name": checks.name,
        "metadata": checks.metadata,
        "limits": checks.limits,
    }
    if errors := [error for field, value in values.items() for error in rules[field](value)]:
        raise refusals.invalid(errors)
