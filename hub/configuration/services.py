"""An environment's configuration, exported without secrets, compared with a document, and brought into line with it at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.db import transaction

from hub.configuration.document import FIELDS, SECTIONS, VERSION, BadDocument, Change, Op, check, diff, digest
from hub.insights import projections
from hub.subscriptions import selectors, services
from hub.subscriptions.models import Subscription
from hub.tenants import refusals
from hub.tenants.scoping import Scope, missing
from hub.tenants.services import audit, consumers, tenants

NEEDED: Final = ("environment:write", "consumers:write", "subscriptions:write")


def export(scope: Scope) -> dict[str, Any]:
    """All of it as a document. Of what is sealed it has the names alone."""
    scope.whole_environment()
    environment = scope.environment()
    return {
        "version": VERSION,
        "environment": {"capture": environment.capture},
        "consumers": [
            {name: getattr(row, name) for name in FIELDS["consumers"]} for row in scope.consumers().order_by("uid")
        ],
        "projections": [
            {name: getattr(row, name) for name in FIELDS["projections"]}
            for row in projections.projections(scope).order_by("pattern")
        ],
        "subscriptions": [_shown(row) for row in selectors.subscriptions(scope).order_by("id")],
    }  # fmt: skip


def compare(*, scope: Scope, document: object, prune: bool = False) -> tuple[list[Change], str]:
    """(what applying it would change, its digest). Raises ProblemError: 422 for a document that can't be meant."""
    try:
        wanted = check(document)
    except BadDocument as error:
        raise refusals.invalid([(f"document{error.where.replace('/', '.')}", error.sentence)]) from None
    now = export(scope)
    for name, key in SECTIONS.items():
        labels = [key(item) for item in now[name]]
        if name in wanted and len(set(labels)) < len(labels):
            double = next(label for label in labels if labels.count(label) > 1)
            raise refusals.conflict(
                f"The environment has several {name} that would be called {double!r}; give each a name of its own first."
            )
    changes = diff(now, wanted, prune=prune)
    return changes, digest(changes)


def apply(
    *, scope: Scope, document: object, prune: bool = False, expected: str | None = None
) -> list[Change]:
    """Make all changes or none; those that were made. `expected`: the digest of what was shown, if it was."""
    if lacking := missing(NEEDED, scope=scope):
        raise refusals.forbidden(f"Applying a configuration needs {', '.join(lacking)} too.")
    with transaction.atomic():
        # Of two who apply at once, the second sees what the first has made.
        environment = scope.environment(lock=True)
        changes, shown = compare(scope=scope, document=document, prune=prune)
        if expected is not None and expected != shown:
            raise refusals.conflict("Something has changed since these changes were shown; compare again.")
        for change in changes:
            _make(scope, change)
        if changes:
            audit.record(
                scope=scope, action="configuration.applied", target_kind="environment", target=environment.uid,
                changes={"changes": [0, len(changes)], "digest": [None, shown]},
            )  # fmt: skip
    return changes


def _make(scope: Scope, change: Change) -> None:
    values = {name: then for name, (_, then) in change.fields.items()}
    if change.section == "environment":
        tenants.update_environment(scope=scope, changes=values)
    elif change.section == "consumers":
        _consumer(scope, change, values)
    elif change.section == "projections":
        _projection(scope, change, values)
    else:
        _subscription(scope, change, values)


def _consumer(scope: Scope, change: Change, values: dict[str, Any]) -> None:
    if change.op is Op.create:
        consumers.create(scope=scope, **values)
    elif change.op is Op.update:
        consumers.update(scope=scope, ref=change.key, changes=values)
    else:
        services.delete_consumer(scope=scope, ref=change.key)


def _projection(scope: Scope, change: Change, values: dict[str, Any]) -> None:
    if change.op is Op.create:
        projections.create(scope=scope, **values)
        return
    row = projections.projections(scope).get(pattern=change.key)
    if change.op is Op.update:
        projections.update(scope=scope, uid=row.uid, changes=values)
    else:
        projections.delete(scope=scope, uid=row.uid)


def _subscription(scope: Scope, change: Change, values: dict[str, Any]) -> None:
    consumer = values.pop("consumer", None)
    if change.op is Op.create:
        services.create(scope=scope, fields=values, consumer=consumer)
        return
    row = next(
        (
            row
            for row in selectors.subscriptions(scope)
            if SECTIONS["subscriptions"](_shown(row)) == change.key
        ),
        None,
    )
    # With its consumer it may have gone already.
    if row is not None and change.op is Op.update:
        services.update(scope=scope, uid=row.uid, fields=values)
    elif row is not None:
        services.delete(scope=scope, uid=row.uid)


def _shown(row: Subscription) -> dict[str, Any]:
    shown: dict[str, Any] = {
        name: getattr(row, name) for name in FIELDS["subscriptions"] if name != "consumer"
    }
    shown["consumer"] = None if row.consumer is None else row.consumer.uid
    sealed = [f"header {name}" for name in row.header_names] + (
        [f"auth {row.auth_kind}"] if row.auth_kind != "none" else []
    )
    sealed += ["client certificate"] if row.client_certificate else []
    return shown | ({"sealed": sealed} if sealed else {})


def as_text(change: Change) -> Mapping[str, Any]:
    """For people and the API."""
    return {"op": change.op, "section": change.section, "key": change.key, "fields": dict(change.fields)}
