"""Reading from a position: the next events of shards that nobody has leased, and a lease on them.

Each look is a transaction of its own, so that a long stretch of which nothing was asked for is walked once, and never with
a lock held for longer than one look.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Any, Final
from uuid import UUID

from django.db import transaction

from hub.consumption import selectors, statements
from hub.consumption.plan import Move, Plan, Row, plan
from hub.consumption.selectors import Reached
from hub.core import ids
from hub.eventlog.selectors import LOG_BYTES
from hub.tenants import refusals
from hub.tenants.models import SHARDS
from hub.tenants.scoping import Scope

# Rows of the log that one look walks, of all shards; and how long a read goes on looking while it finds nothing.
WALKED: Final = 20_000
LEAST_WALKED: Final = 1_000
PATIENCE_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Batch:
    """`lease` 16 bytes, None without events. `more`: read on at once. `skipped`: shard → first offset after a gap."""

    position: Reached
    lease: bytes | None = None
    until: datetime | None = None
    events: list[Row] = field(default_factory=list)
    more: bool = False
    skipped: dict[int, int] = field(default_factory=dict)


def read(*, scope: Scope, ref: str, limit: int = 100, lease_s: int = 30) -> Batch:
    """The next events, `limit` and LOG_BYTES of data at most, leased for `lease_s` seconds; or none. Never waits for any."""
    if errors := _problems(limit, lease_s):
        raise refusals.invalid(errors)
    position = selectors.reached(scope, ref)
    values = position.filter.parameters() | {
        "position": position.id, "bytes": LOG_BYTES, "rows": limit + SHARDS, "scan": None,
    }  # fmt: skip
    begun = monotonic()
    while True:
        with transaction.atomic():
            found, lease, until = _look(values, limit, lease_s)
        if lease is not None or not found.more or monotonic() - begun > PATIENCE_S:
            return Batch(position, lease, until, found.events, found.more, found.skipped)


def _problems(limit: int, lease_s: int) -> list[tuple[str, str]]:
    errors = []
    if not 1 <= limit <= 1_000:
        errors.append(("limit", "must be from 1 to 1000"))
    if not 5 <= lease_s <= 600:
        errors.append(("lease", "must be from 5 to 600 seconds"))
    return errors


def _look(values: dict[str, Any], limit: int, lease_s: int) -> tuple[Plan, bytes | None, datetime | None]:
    if not selectors.run(statements.HOLD, values):
        # It was deleted meanwhile.
        raise refusals.not_found("position")
    if values["scan"] is None:
        ((marks,),) = selectors.run(statements.ADD, values)
        values["scan"] = max(LEAST_WALKED, WALKED // max(1, marks))
    rows = [Row(*row) for row in selectors.run(statements.READ, values)]
    found = plan(rows, limit=limit, scan=values["scan"], most=values["rows"])
    moves = _columns(found.moves) | {"position": values["position"]}
    if not found.events:
        if found.moves:
            selectors.run(statements.ADVANCE, moves)
        return found, None, None
    lease = ids.uuid7()
    more = {
        "lease": UUID(bytes=lease),
        "leased": found.leased,
        "events": len(found.events),
        "seconds": lease_s,
    }
    ((until,),) = selectors.run(statements.TAKE, moves | more)
    return found, lease, until


def _columns(moves: list[Move]) -> dict[str, list[Any]]:
    return {
        "shards": [move.shard for move in moves],
        "upto": [move.upto for move in moves],
        "days": [move.day for move in moves],
        "skipped": [move.skipped for move in moves],
        "lasts": [move.last for move in moves],
        "ends": [move.end for move in moves],
        "end_days": [move.end_day for move in moves],
    }
