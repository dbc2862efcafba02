"""Positions: made, changed, moved (which revokes what is leased), deleted. Its consumer never changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now

from hub.consumption import naming, selectors, statements
from hub.consumption.models import Lease, Mark, Position
from hub.consumption.selectors import Place, Start
from hub.core.ids import new_id
from hub.eventlog import selectors as eventlog
from hub.tenants import refusals
from hub.tenants.models import Consumer
from hub.tenants.scoping import Scope
from hub.tenants.services import audit

MOST: Final = 1_000
_FIELDS: Final = ("name", "types", "channels")
_DAY_OF: Final = "SELECT day FROM event WHERE shard = %s AND seq <= %s ORDER BY seq DESC LIMIT 1"


def create(
    *,
    scope: Scope,
    name: str,
    types: Sequence[str] = ("*",),
    channels: Sequence[str] = (),
    consumer: str | None = None,
    start: Start = "now",
) -> Position:
    """A position of the environment, or of one consumer (con_ id or uid); a consumer's own key makes its own."""
    values = {"name": name, "types": list(types), "channels": list(channels)}
    if errors := naming.problems(values):
        raise refusals.invalid(errors)
    environment = scope.environment()
    try:
        with transaction.atomic():
            owner = _owner(scope, consumer)
            _check_number(scope)
            place = selectors.place(scope=scope, start=start)
            position = Position.objects.create(
                uid=new_id("pos"), environment=environment, consumer=owner, own=scope.consumer_id is not None,
                origin_seq=place.seq, origin_day=place.day, **values,
            )  # fmt: skip
            _move(position, place)
            changes = audit.created(position, _FIELDS) | {"start": [None, _told(start)]}
            if owner is not None:
                changes["consumer"] = [None, owner.public_id]
            _record(scope, position, "created", changes)
    except IntegrityError:
        raise refusals.conflict(f"There is a position {name!r} already; use it, or another name.") from None
    return position


def update(
    *, scope: Scope, ref: str, changes: Mapping[str, Any], expected_version: int | None = None
) -> Position:
    """Change types or channels, for what is read from now on: what was passed over stays so until it is sought back."""
    if errors := naming.problems(changes):
        raise refusals.invalid(errors)
    with transaction.atomic():
        position = selectors.position(scope, ref, lock=True)
        refusals.check_version(expected=expected_version, version=position.version)
        done = audit.apply(position, changes)
        if done:
            position.version += 1
            position.updated_at = Now()
            position.save(update_fields=[*done, "version", "updated_at"])
            position.refresh_from_db(fields=["updated_at"])
            _record(scope, position, "updated", done)
    _tell(position)
    return position


def delete(*, scope: Scope, ref: str, expected_version: int | None = None) -> None:
    """Leases that are out end with it."""
    with transaction.atomic():
        position = selectors.position(scope, ref, to_delete=True)
        refusals.check_version(expected=expected_version, version=position.version)
        _record(scope, position, "deleted", {"name": [position.name, None]})
        position.delete()


def seek(*, scope: Scope, ref: str, to: Start) -> Position:
    """Move all of it, shards that appear later too. What was leased is revoked."""
    with transaction.atomic():
        position = selectors.position(scope, ref, lock=True)
        place = selectors.place(scope=scope, start=to)
        _revoke(position)
        position.origin_seq, position.origin_day = place.seq, place.day
        position.save(update_fields=["origin_seq", "origin_day"])
        _move(position, place)
        _record(scope, position, "sought", {"to": [None, _told(to)]})
    _tell(position)
    return position


def seek_shards(*, scope: Scope, ref: str, to: Mapping[int, int]) -> Position:
    """Move some shards: the next event of each is the first after that offset. What was leased, of any, is revoked."""
    with transaction.atomic():
        position = selectors.position(scope, ref, lock=True)
        selectors.run(statements.ADD, {"position": position.id})
        _check_offsets(position, to)
        _revoke(position)
        for shard, offset in to.items():
            found = eventlog.fetch(_DAY_OF, [shard, offset])
            day = found[0][0] if found else selectors.BEGINNING
            position.marks.filter(shard=shard).update(
                upto=offset, day=day, since=None, since_end=None, skipped_to=None
            )
        _record(scope, position, "sought", {"to": [None, {str(shard): at for shard, at in to.items()}]})
    _tell(position)
    return position


def _owner(scope: Scope, consumer: str | None) -> Consumer | None:
    if consumer is not None:
        # Locked, so that it is not ended while it gets a position.
        return scope.consumer(consumer, lock=True)
    if scope.consumer_id is None:
        return None
    found = scope.consumers().select_for_update(no_key=True).first()
    if found is None:
        raise refusals.not_found("consumer")
    return found


def _check_number(scope: Scope) -> None:
    # A consumer's own are its own affair, and can't use up the environment's.
    if selectors.positions(scope).filter(own=scope.consumer_id is not None).count() >= MOST:
        raise refusals.conflict(f"There are {MOST} positions already; delete one that is not used any more.")


def _check_offsets(position: Position, to: Mapping[int, int]) -> None:
    ((end, _, _),) = eventlog.fetch(statements.END_OF_LOG, [])
    known = set(position.marks.values_list("shard", flat=True))
    errors = [("to", "must name at least one shard")] if not to else []
    for shard, offset in to.items():
        if shard not in known:
            errors.append((f"to.{shard}", "is none of its shards; reading the position shows them"))
        elif not 0 <= offset <= end:
            errors.append((f"to.{shard}", f"must be an offset of the log, from 0 to {end}"))
    if errors:
        raise refusals.invalid(errors)


def _revoke(position: Position) -> None:
    # Before the marks, in the order in which an acknowledgement locks them.
    Lease.objects.filter(position=position, ended=None).update(ended=Lease.Ending.REVOKED)
    Mark.objects.filter(position=position).update(lease=None, lease_until=None)


def _move(position: Position, place: Place) -> None:
    """Every shard that there is now; the time is for these alone, since later ones have only later events."""
    selectors.run(statements.ADD, {"position": position.id})
    position.marks.update(
        upto=place.seq, day=place.day, since=place.since, since_end=place.end, skipped_to=None, taken_at=None
    )


def _record(scope: Scope, position: Position, what: str, changes: Mapping[str, Any]) -> None:
    audit.record(
        scope=scope, action=f"position.{what}", target_kind="position", target=position.uid, changes=changes
    )


def _told(start: Start) -> str:
    return start.isoformat() if isinstance(start, datetime) else start


def _tell(position: Position) -> None:
    """Readers that wait elsewhere look again; what is lost they notice within a second."""
    with connection.cursor() as cursor:
        cursor.execute(statements.TOLD, [str(position.id)])
