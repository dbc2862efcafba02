"""Replays: planned, started, paused, resumed, cancelled. Nothing is sent here; a task feeds pages to the owners."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from django.db import connection, transaction
from django.db.models.functions import Now

from hub.core.ids import new_id
from hub.delivery import selectors as deliveries
from hub.insights.search_words import BadSearch
from hub.replay import asking, candidates
from hub.replay.feeding import scope_of
from hub.replay.models import Job, Target
from hub.replay.selectors import job as find
from hub.routing import runs
from hub.subscriptions.selectors import subscription as find_subscription
from hub.tenants import refusals
from hub.tenants.scoping import Scope
from hub.tenants.services import audit

PLANNING_S: Final = 1.5
MOST_NAMED: Final = 100
_NOW: Final = "SELECT clock_timestamp()"
# Events beyond these are routed in their own time.
_ROUTED: Final = """
SELECT s, coalesce((SELECT upto FROM routed r WHERE r.shard = s ORDER BY step DESC LIMIT 1), 0) FROM generate_series(0, 63) s"""


def plan(
    *, scope: Scope, search: str = "", subscription: str | None = None, only_missing: bool = False,
    skip_delivered: bool = False, rate: int = asking.DEFAULT_RATE, seconds: float = PLANNING_S,
    clock: Callable[[], float] = time.monotonic,
) -> Job:  # fmt: skip
    """Freeze what is meant and say what it comes to, without sending anything.

    Raises ProblemError: 422 for a search that is none, 404 for a stranger's subscription.
    """
    target = None if subscription is None else find_subscription(scope, subscription)
    if only_missing and target is None:
        raise refusals.invalid([("only_missing", "needs a subscription: whose events are missing?")])
    with connection.cursor() as cursor:
        cursor.execute(_NOW)
        now = cursor.fetchone()[0]
        cursor.execute(_ROUTED)
        bounds = {str(shard): upto for shard, upto in cursor.fetchall() if upto}
    try:
        asking.frozen(search, at=now, events=target is not None)
    except BadSearch as error:
        raise refusals.invalid([("search", str(error))]) from None
    job = Job(
        uid=new_id("rpl"), environment=scope.environment(), consumer=scope.consumer_id, run=runs.next_run(), search=search,
        target=target, only_missing=only_missing, skip_delivered=skip_delivered, rate=rate, frozen_at=now,
        bounds=bounds if target is not None else {}, actor=scope.actor,
    )  # fmt: skip
    job.plan = _count(scope, job, until=clock() + seconds, clock=clock)
    with transaction.atomic():
        job.save()
        _told(scope, job, "planned", {"search": [None, search], "subscription": [None, subscription]})
    job.refresh_from_db()
    return job


def start(*, scope: Scope, uid: str) -> Job:
    """Begin to send."""
    with transaction.atomic():
        job = find(scope, uid, lock=True)
        _refuse_unless(job, Job.State.PLANNED, wanted="started")
        named = (
            set(job.plan["subscriptions"])
            if job.plan["complete"] and not job.plan["more_subscriptions"]
            else None
        )
        rows = [
            Target(job=job, sub=one.id, shard=one.shard)
            for one in candidates.reached(scope_of(job), job)
            if named is None or one.uid in named
        ]
        Target.objects.bulk_create(rows, batch_size=1_000)
        _become(scope, job, Job.State.RUNNING, "started", started_at=Now())
    return job


def pause(*, scope: Scope, uid: str) -> Job:
    """No page more; what waits for a subscription already still goes out."""
    return _change(scope, uid, Job.State.RUNNING, Job.State.PAUSED, "paused")


def resume(*, scope: Scope, uid: str) -> Job:
    """Go on where it was."""
    return _change(scope, uid, Job.State.PAUSED, Job.State.RUNNING, "resumed")


def cancel(*, scope: Scope, uid: str) -> Job:
    """End it: no page more, and what waits is cancelled, within two seconds. What was sent, was sent."""
    with transaction.atomic():
        job = find(scope, uid, lock=True)
        if job.state == Job.State.PLANNED:
            return _become(scope, job, Job.State.CANCELLED, "cancelled", finished_at=Now())
        if job.state not in (Job.State.RUNNING, Job.State.PAUSED):
            raise refusals.conflict(f"The replay is {job.state}; there is nothing to cancel.")
        return _become(scope, job, Job.State.CANCELLING, "cancelled")


def _change(scope: Scope, uid: str, old: str, new: str, word: str) -> Job:
    with transaction.atomic():
        job = find(scope, uid, lock=True)
        _refuse_unless(job, old, wanted=word)
        return _become(scope, job, new, word)


def _refuse_unless(job: Job, state: str, *, wanted: str) -> None:
    if job.state != state:
        raise refusals.conflict(f"The replay is {job.state}; only one that is {state} can be {wanted}.")


def _become(scope: Scope, job: Job, state: str, word: str, **more: Any) -> Job:
    old, job.state = job.state, state
    for name, value in more.items():
        setattr(job, name, value)
    job.version += 1
    job.save(update_fields=["state", "version", *more])
    job.refresh_from_db()
    _told(scope, job, word, {"state": [old, str(state)]})
    return job


def _told(scope: Scope, job: Job, word: str, changes: dict[str, Any]) -> None:
    audit.record(scope=scope, action=f"replay.{word}", target_kind="replay", target=job.uid, changes=changes)


def _count(scope: Scope, job: Job, *, until: float, clock: Callable[[], float]) -> dict[str, Any]:
    """How many, for whom, from when, and how many of them were delivered already; as far as the time allows."""
    by_sub: Counter[int] = Counter()
    skipped = delivered = 0
    events: list[bytes] = []
    position = None
    while True:
        page = candidates.page(scope, job, subscription=None, position=position)
        by_sub.update(row.sub for row in page.rows)
        skipped, delivered = skipped + page.skipped, delivered + page.delivered
        events = (
            [
                min([*events, *(row.event for row in page.rows)]),
                max([*events, *(row.event for row in page.rows)]),
            ]
            if page.rows or events
            else []
        )
        position = page.next
        if position is None or clock() > until:
            break
    names = {
        one.id: one.uid
        for one in deliveries.targets(scope, numbers=[sub for sub, _ in by_sub.most_common(MOST_NAMED)])
    }
    return {
        "complete": position is None, "count": sum(by_sub.values()), "skipped": skipped, "delivered": delivered,
        "oldest": events[0].hex() if events else None, "newest": events[1].hex() if events else None,
        "subscriptions": {names[sub]: count for sub, count in by_sub.most_common(MOST_NAMED) if sub in names},
        "more_subscriptions": max(len(by_sub) - MOST_NAMED, 0),
    }  # fmt: skip
