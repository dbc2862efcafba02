"""Declaring what events of a type do to their subject's state and which paths are indexed. It never touches an event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from hub.core.ids import new_id
from hub.insights.key_values import check_paths
from hub.insights.models import Projection
from hub.subscriptions.patterns import BadPattern, validate_pattern
from hub.tenants import refusals
from hub.tenants.scoping import Scope
from hub.tenants.services import audit

MOST: Final = 200
_FIELDS: Final = ("pattern", "semantics", "keys")


def projections(scope: Scope) -> QuerySet[Projection]:
    """Those of the scope's environment."""
    return Projection.objects.filter(
        environment_id=scope.environment_id, environment__tenant_id=scope.tenant_id
    )


def projection(scope: Scope, uid: str, *, lock: bool = False) -> Projection:
    """One of them, or a 404."""
    rows = projections(scope)
    if lock:
        rows = rows.select_for_update(of=("self",))
    found = rows.filter(uid=uid).first() if uid.isascii() and "\x00" not in uid else None
    if found is None:
        raise refusals.not_found("projection")
    return found


def create(*, scope: Scope, pattern: str, semantics: str, keys: list[str] | None = None) -> Projection:
    """Declare it for all types of a pattern, one for each pattern. Events from before are indexed in the background."""
    scope.whole_environment()
    values = {"pattern": pattern, "semantics": semantics, "keys": keys or []}
    _check(values)
    if projections(scope).count() >= MOST:
        raise refusals.conflict(f"An environment has at most {MOST} projections; delete one first.")
    try:
        with transaction.atomic():
            made = Projection.objects.create(uid=new_id("prj"), environment=scope.environment(), **values)
            audit.record(
                scope=scope, action="projection.created", target_kind="projection", target=made.uid,
                changes=audit.created(made, _FIELDS),
            )  # fmt: skip
    except IntegrityError:
        raise refusals.conflict(f"There is a projection for {pattern} already; change that one.") from None
    made.refresh_from_db()
    return made


def update(
    *, scope: Scope, uid: str, changes: Mapping[str, Any], expected_version: int | None = None
) -> Projection:
    """Change semantics or keys. With other keys, events from before are indexed again in the background."""
    scope.whole_environment()
    _check(changes)
    with transaction.atomic():
        row = projection(scope, uid, lock=True)
        refusals.check_version(expected=expected_version, version=row.version)
        done = audit.apply(row, changes)
        if done:
            row.version += 1
            row.updated_at = Now()
            row.indexed_at = None
            row.save()
            row.refresh_from_db()
            audit.record(
                scope=scope,
                action="projection.updated",
                target_kind="projection",
                target=row.uid,
                changes=done,
            )
    return row


def delete(*, scope: Scope, uid: str, expected_version: int | None = None) -> None:
    """What was folded by it stays until a rebuild, but is shown no more."""
    scope.whole_environment()
    with transaction.atomic():
        row = projection(scope, uid, lock=True)
        refusals.check_version(expected=expected_version, version=row.version)
        audit.record(
            scope=scope, action="projection.deleted", target_kind="projection", target=row.uid,
            changes={"pattern": [row.pattern, None]},
        )  # fmt: skip
        row.delete()


def _check(values: Mapping[str, Any]) -> None:
    errors: list[tuple[str, str]] = []
    if "pattern" in values:
        try:
            validate_pattern(values["pattern"])
        except BadPattern as error:
            errors.append(("pattern", str(error)))
    errors += [("keys", text) for text in check_paths(values.get("keys", []))]
    if errors:
        raise refusals.invalid(errors)
