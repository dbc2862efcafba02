"""Sinks: made, told how to answer, emptied, deleted; and one request caught. It never judges whose a signature is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.db import connection, transaction
from django.db.models.functions import Now

from hub.core.ids import new_id
from hub.core.jsonbytes import loads
from hub.eventlog import trimming
from hub.sinks import catching, policy, selectors, statements
from hub.sinks.addresses import new_token
from hub.sinks.catching import Answer, Request
from hub.sinks.models import Caught, Sink
from hub.tenants import refusals
from hub.tenants.models import Environment
from hub.tenants.scoping import Scope
from hub.tenants.services import audit, checks

BATCH: Final = 500
_FIELDS = ("name", "respond")


def create(*, scope: Scope, name: str = "", respond: Mapping[str, Any] | None = None) -> Sink:
    """A sink of the scope's environment, which must be of kind test."""
    scope.whole_environment()
    values = _checked({"name": name, "respond": respond or {}})
    with transaction.atomic():
        environment = scope.environment(lock=True)
        if environment.kind != Environment.Kind.TEST:
            raise refusals.invalid([("", "sinks are for environments of kind test; this one is live")])
        if selectors.sinks(scope).count() >= policy.MOST_SINKS:
            raise refusals.conflict(
                f"There are {policy.MOST_SINKS} sinks already, as many as an environment may have; delete one."
            )
        sink = Sink.objects.create(uid=new_id("snk"), environment=environment, token=new_token(), **values)
        _record(scope, sink, "sink.created", audit.created(sink, _FIELDS))
    return sink


def update(
    *, scope: Scope, uid: str, changes: Mapping[str, Any], expected_version: int | None = None
) -> Sink:
    """Change name or respond; each replaces the old value as a whole, from the next request on."""
    scope.whole_environment()
    values = _checked(changes)
    with transaction.atomic():
        sink = selectors.sink(scope, uid, lock=True)
        refusals.check_version(expected=expected_version, version=sink.version)
        done = audit.apply(sink, values)
        if done:
            sink.version += 1
            sink.updated_at = Now()
            sink.save(update_fields=[*done, "version", "updated_at"])
            sink.refresh_from_db(fields=["updated_at"])
            _record(scope, sink, "sink.updated", done)
    return sink


def delete(*, scope: Scope, uid: str, expected_version: int | None = None) -> None:
    """It goes with all that it caught; from now on its address answers 404."""
    scope.whole_environment()
    with transaction.atomic():
        sink = selectors.sink(scope, uid, lock=True)
        refusals.check_version(expected=expected_version, version=sink.version)
        _record(scope, sink, "sink.deleted", {"name": [sink.name, None]})
        sink.delete()


def empty(*, scope: Scope, uid: str) -> None:
    """Forget what it caught."""
    scope.whole_environment()
    with transaction.atomic():
        sink = selectors.sink(scope, uid, lock=True)
        gone, _ = Caught.objects.filter(sink=sink).delete()
        _record(scope, sink, "sink.emptied", {"requests": [gone, 0]})


def catch(request: Request, *, environment: int, signature: str) -> Answer:
    """Keep one request that came to the sink of this environment; what to answer, be it a refusal."""
    with connection.cursor() as cursor:
        cursor.execute(statements.CATCH, catching.row(request, environment=environment, signature=signature))
        found = cursor.fetchone()
    # Django's connections leave JSON as text.
    return catching.answer(None if found is None else (loads(found[0].encode()), found[1]))


def forget() -> int:
    """Drop what is too old or too much; how many went."""
    old = trimming.forget(statements.FORGET_OLD, {"hours": catching.KEPT_HOURS}, batch=BATCH)
    return old + trimming.forget(statements.FORGET_MANY, {"most": catching.MOST_REQUESTS}, batch=BATCH)


def _checked(values: Mapping[str, Any]) -> dict[str, Any]:
    found = list(checks.name(values["name"])) if "name" in values else []
    if "respond" in values:
        found += [
            (f"respond.{member}" if member else "respond", sentence)
            for member, sentence in policy.check_respond(values["respond"])
        ]
    if found:
        raise refusals.invalid(found)
    return {name: policy.stored(value) if name == "respond" else value for name, value in values.items()}


def _record(scope: Scope, sink: Sink, action: str, changes: Mapping[str, Any]) -> None:
    audit.record(scope=scope, action=action, target_kind="sink", target=sink.uid, changes=changes)
