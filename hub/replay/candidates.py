"""What a replay sends, page by page: deliveries that a search finds, or events for one subscription. It reads, and marks nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from hub.delivery.selectors import Target, target, targets
from hub.eventlog.selectors import Event, fetch
from hub.insights import finding
from hub.insights.search import Query
from hub.replay import asking
from hub.replay.models import Job
from hub.subscriptions.patterns import matches
from hub.tenants.scoping import Scope

PAGE: Final = 500

# Did anything of it reach the subscription, in whatever run; does it have, or had it, a delivery at all?
# LIMIT 1 keeps each look-up a walk of an index, whatever the statistics say.
_DELIVERED: Final = """
SELECT u.sub, u.seq FROM unnest(%s::int4[], %s::int8[], %s::date[]) u(sub, seq, day)
CROSS JOIN LATERAL (SELECT FROM attempt a WHERE a.sub = u.sub AND a.seq = u.seq AND a.day = u.day AND a.finish = 1 LIMIT 1) a"""
_KNOWN: Final = """
SELECT u.sub, u.seq FROM unnest(%s::int2[], %s::int4[], %s::int2[], %s::int8[], %s::date[]) u(shard, sub, src, seq, day)
LEFT JOIN LATERAL (SELECT true AS there FROM attempt a WHERE a.sub = u.sub AND a.seq = u.seq AND a.day = u.day LIMIT 1) a ON true
LEFT JOIN LATERAL (SELECT true AS there FROM due d WHERE d.sub = u.sub AND d.seq = u.seq LIMIT 1) d ON true
LEFT JOIN LATERAL (SELECT u.seq = ANY(p.seqs) AS there FROM parcel p WHERE p.shard = u.shard AND p.sub = u.sub AND p.src = u.src
                   AND p.run = 0 AND p.first_seq <= u.seq ORDER BY p.first_seq DESC LIMIT 1) p ON true
WHERE coalesce(a.there, d.there, p.there, false)"""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An event for a subscription. `src`, `seq` and `day` name the event in the log."""

    sub: int
    src: int
    seq: int
    day: date
    event: bytes


@dataclass(frozen=True, slots=True)
class Candidates:
    """A page. `skipped`: found, but not to be sent. `delivered`: of `rows`, those that reached it in some run already."""

    rows: list[Candidate]
    skipped: int
    delivered: int
    next: Sequence[Any] | None


def reached(scope: Scope, job: Job) -> list[Target]:
    """The subscriptions that may get something of it: its target, or all that live and that its search doesn't leave out."""
    if job.target_id is not None:
        return targets(scope, numbers=[job.target_id], live=True)
    named = [
        str(value.value)
        for term in _query(job).columns
        if term.key == "sub" and not term.negated
        for value in term.values
    ]
    found = targets(scope, live=True)
    return [one for one in found if one.uid in named] if named else found


def page(
    scope: Scope, job: Job, *, subscription: Target | None, position: Sequence[Any] | None, limit: int = PAGE
) -> Candidates:
    """The next of one subscription, or (None, for a plan) of all. `position`: what the page before gave as its next."""
    if job.target_id is not None:
        to = subscription or target(scope, numbers=[job.target_id])
        return _events(scope, job, to, position, limit, counting=subscription is None)
    query = _query(job)
    if subscription is not None:
        query = asking.of_subscription(query, subscription.uid, at=job.frozen_at)
    found = finding.deliveries(scope=scope, query=query, position=position, limit=limit)
    living = [row for row in found.rows if row.target.deleted_at is None and row.event is not None]
    rows = [
        Candidate(row.target.id, row.src, row.seq, row.day, row.event.id)
        for row in living
        if row.event is not None
    ]
    skipped = len(found.rows) - len(rows)
    # For a plan, or to be left out; a page that is sent in any case need not know.
    reached_before = _delivered(rows) if subscription is None or job.skip_delivered else set()
    delivered = {row for row in rows if (row.sub, row.seq) in reached_before}
    if job.skip_delivered:
        return Candidates(
            [row for row in rows if row not in delivered], skipped + len(delivered), 0, found.next
        )
    return Candidates(rows, skipped, len(delivered), found.next)


def _query(job: Job) -> Query:
    return asking.frozen(job.search, at=job.frozen_at, events=job.target_id is not None)


def _events(
    scope: Scope, job: Job, to: Target, position: Sequence[Any] | None, limit: int, *, counting: bool
) -> Candidates:
    found = finding.events(scope=scope, query=_query(job), position=position, limit=limit)
    rows = [
        Candidate(to.id, event.shard, event.seq, event.day, event.id)
        for event in found.rows
        if _asked(to, event, job)
    ]
    left_out: set[tuple[int, int]] = set()
    delivered = _delivered(rows) if job.skip_delivered or counting else set()
    if job.only_missing:
        columns = [[to.shard] * len(rows), [to.id] * len(rows), [row.src for row in rows], [row.seq for row in rows],
                   [row.day for row in rows]]  # fmt: skip
        left_out = set(map(tuple, fetch(_KNOWN, columns))) if rows else set()
    if job.skip_delivered:
        left_out |= delivered
    kept = [row for row in rows if (row.sub, row.seq) not in left_out]
    return Candidates(
        kept, len(found.rows) - len(kept), sum((row.sub, row.seq) in delivered for row in kept), found.next
    )


def _asked(to: Target, event: Event, job: Job) -> bool:
    """Would routing have given it to the subscription, and has it done so by the moment that is frozen?"""
    return (
        (to.consumer_number is None or to.consumer_number == event.consumer)
        and any(matches(pattern, event.type) for pattern in to.patterns)
        and (not to.channels or bool(set(to.channels) & set(event.channels or ())))
        and event.seq <= job.bounds.get(str(event.shard), 0)
    )


def _delivered(rows: Sequence[Candidate]) -> set[tuple[int, int]]:
    if not rows:
        return set()
    found = fetch(
        _DELIVERED, [[row.sub for row in rows], [row.seq for row in rows], [row.day for row in rows]]
    )
    return {(sub, seq) for sub, seq in found}
