"""What becomes of a lease: acknowledged, in part or whole; prolonged; given back. One that is over moves nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from hub.consumption import selectors, statements
from hub.consumption.selectors import Reached
from hub.consumption.verdict import Verdict, judge, refusal
from hub.tenants import refusals
from hub.tenants.scoping import Scope

_LOCK = """select shards, ended, until <= clock_timestamp() from consumption_lease
where id = %(lease)s and position_id = %(position)s for no key update"""
_UNTIL = """update consumption_lease set until = clock_timestamp() + %(seconds)s * interval '1 second' where id = %(lease)s
returning until"""
_END = "update consumption_lease set ended = %(how)s where id = %(lease)s"
_HELD = "select shard, lease_end from consumption_mark where position_id = %(position)s and lease = %(lease)s"


@dataclass(frozen=True, slots=True)
class Acked:
    """`status`: acked (whole), partly (the rest stays leased) or already. `offsets`: where its shards stand now."""

    status: str
    offsets: dict[int, int] = field(default_factory=dict)


def ack(*, scope: Scope, ref: str, lease: bytes, upto: Mapping[int, int] | None = None) -> Acked:
    """Move the position past what the lease handed out, or past a part: for each shard up to that offset.

    409 when the lease is over: then nothing moved.
    """
    position = selectors.reached(scope, ref)
    values: dict[str, Any] = {"position": position.id, "lease": UUID(bytes=lease)}
    with transaction.atomic():
        selectors.run(statements.SETTINGS)
        shards = _lock(position, lease)
        if shards is None:
            return Acked("already")
        held = dict(selectors.run(_HELD, values))
        if upto is None:
            wanted, sql = set(held), statements.ACK
        else:
            _check(upto, shards, held)
            wanted, sql = set(upto) & set(held), statements.ACK_PART
            values |= {"shards": sorted(wanted), "upto": [upto[shard] for shard in sorted(wanted)]}
        moved = selectors.run(sql, values)
        if not held or {row[0] for row in moved} != wanted:
            # Its time ran out, or a shard was leased anew, in this very moment: the transaction is rolled back.
            raise refusal(Verdict.expired)
        whole = sum(row[2] for row in moved) == len(held)
        if whole:
            selectors.run(_END, {"lease": values["lease"], "how": "acked"})
    _tell(position)
    return Acked("acked" if whole else "partly", {row[0]: row[1] for row in moved})


def extend(*, scope: Scope, ref: str, lease: bytes, lease_s: int) -> datetime:
    """Prolong it: it ends so many seconds from now. When that is."""
    if not 5 <= lease_s <= 600:
        raise refusals.invalid([("seconds", "must be from 5 to 600")])
    position = selectors.reached(scope, ref)
    values = {"position": position.id, "lease": UUID(bytes=lease), "seconds": lease_s}
    with transaction.atomic():
        selectors.run(statements.SETTINGS)
        if _lock(position, lease) is None:
            raise refusals.conflict("This lease was acknowledged; there is nothing left to prolong.")
        ((until,),) = selectors.run(_UNTIL, values)
        held = selectors.run(_HELD, values)
        moved = selectors.run(statements.EXTEND, values | {"until": until})
        if not held or len(moved) != len(held):
            raise refusal(Verdict.expired)
    return until


def release(*, scope: Scope, ref: str, lease: bytes) -> str:
    """Give back what was not acknowledged, to be handed out again at once: "released", or "already" if it is over."""
    position = selectors.reached(scope, ref)
    key = UUID(bytes=lease)
    with transaction.atomic():
        selectors.run(statements.SETTINGS)
        verdict, _ = _judge(position, lease)
        if verdict is not Verdict.good:
            return "already"
        selectors.run(statements.RELEASE, {"position": position.id, "lease": key})
        selectors.run(_END, {"lease": key, "how": "released"})
    _tell(position)
    return "released"


def _judge(position: Reached, lease: bytes) -> tuple[Verdict, list[int]]:
    found = selectors.run(_LOCK, {"lease": UUID(bytes=lease), "position": position.id})
    shards, ended, late = found[0] if found else ([], None, False)
    return judge(known=bool(found), ended=ended, late=late), shards


def _lock(position: Reached, lease: bytes) -> list[int] | None:
    """The shards it was given for, None if it was acknowledged whole; a 409 if it is over."""
    verdict, shards = _judge(position, lease)
    if verdict is Verdict.good:
        return shards
    if verdict is Verdict.done:
        return None
    raise refusal(verdict)


def _check(upto: Mapping[int, int], shards: Sequence[int], held: Mapping[int, int]) -> None:
    errors = [("upto", "must name at least one shard; leave it out to acknowledge all")] if not upto else []
    for shard, offset in upto.items():
        if shard not in shards:
            errors.append((f"upto.{shard}", "is no shard of this lease"))
        elif shard in held and offset > held[shard]:
            errors.append(
                (f"upto.{shard}", f"lies beyond what the lease handed out, which ends at {held[shard]}")
            )
    if errors:
        raise refusals.invalid(errors)


def _tell(position: Reached) -> None:
    """After the commit and in a transaction of its own: notifying commits stand in one line, and must not wait for a disk."""
    with connection.cursor() as cursor:
        cursor.execute(statements.TOLD, [str(position.id)])
