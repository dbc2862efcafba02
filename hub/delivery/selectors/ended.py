"""Ended deliveries of a whole environment, the one that ended last first: a walk over its attempts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hub.delivery.selectors.facts import Delivery
from hub.delivery.selectors.gathering import LAST, last_of
from hub.delivery.selectors.targets import targets
from hub.delivery.states import WORDS, State
from hub.eventlog.selectors import SCAN, Conditions, Page, day_of, fetch, of_type
from hub.tenants.scoping import Scope

_ORDER = "ORDER BY a.at DESC, a.sub DESC, a.seq DESC, a.run DESC"
# Its subscription was deleted while it waited for a retry.
_CUT_SHORT = """(a.finish = 0
 AND EXISTS (SELECT FROM subscriptions_subscription s WHERE s.id = a.sub AND s.deleted_at IS NOT NULL)
 AND NOT EXISTS (SELECT FROM attempt b WHERE b.sub = a.sub AND b.seq = a.seq AND b.run = a.run AND b.day = a.day
                 AND (b.n, b.pos) > (a.n, a.pos)))"""


def ended(
    *,
    scope: Scope,
    states: frozenset[State],
    type: str | None,
    since: int | None,
    until: int | None,
    below: Sequence[Any] | None,
    limit: int,
) -> Page[Delivery, Sequence[Any]]:
    """A page of those in these final states. `since` and `until`: when they ended, in milliseconds since 1970."""
    scope.whole_environment()
    where, rest = Conditions(), Conditions()
    where.add("a.env = %s", scope.environment_id)
    if since is not None:
        where.add("a.at >= to_timestamp(%s / 1000.0)", since)
    if until is not None:
        # An attempt is never made before its event.
        where.add("a.at < to_timestamp(%s / 1000.0) AND a.day <= %s::date + 1", until, day_of(until))
    if below is not None:
        where.add("a.at <= %s::timestamptz", below[0])
        where.add("(a.at, a.sub, a.seq, a.run) < (%s::timestamptz, %s, %s, %s)", *below)
    numbers = sorted(WORDS[state].end for state in states)
    if states == {State.dead}:
        where.add("a.finish = 2")
    elif State.cancelled in states:
        rest.add(f"(a.finish = ANY(%s) OR {_CUT_SHORT})", numbers)
    else:
        rest.add("a.finish = ANY(%s)", numbers)
    if type is not None:
        match = Conditions()
        of_type(match, type)
        rest.add(
            f"EXISTS (SELECT FROM event e WHERE e.shard = a.src AND e.seq = a.seq AND e.day = a.day AND {match})",
            *match.values,
        )
    source = f"(SELECT * FROM attempt a WHERE {where} {_ORDER} LIMIT {SCAN}) a WHERE {rest}"
    columns = f"a.sub, a.seq, a.run, a.src, a.day, {LAST}"
    rows = fetch(
        f"SELECT {columns} FROM {source} {_ORDER} LIMIT %s", [*where.values, *rest.values, limit + 1]
    )
    found = _with_targets(scope, rows)
    if len(rows) > limit:
        return Page(found[:limit], position(found[limit - 1]))
    stopped = fetch(
        f"SELECT a.at, a.sub, a.seq, a.run FROM attempt a WHERE {where} {_ORDER} OFFSET {SCAN - 1} LIMIT 1",
        where.values,
    ) if rest.parts else []  # fmt: skip
    return Page(found, [stopped[0][0].isoformat(), *stopped[0][1:]] if stopped else None)


def position(delivery: Delivery) -> Sequence[Any]:
    """Where the page after this row begins."""
    assert delivery.last is not None
    return [delivery.last.at.isoformat(), delivery.target.id, delivery.seq, delivery.run]


def _with_targets(scope: Scope, rows: list[tuple[Any, ...]]) -> list[Delivery]:
    by_id = {target.id: target for target in targets(scope, numbers=sorted({row[0] for row in rows}))}
    return [
        Delivery(by_id[sub], seq, run, src, day, last=last_of(last))
        for sub, seq, run, src, day, *last in rows
    ]
