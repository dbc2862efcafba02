"""Works through running jobs: a page for each subscription that has room, and the job's place, in one transaction.

It may die at any moment: pages that are written are applied by their owners, what is not is made again from the same place.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from hub.delivery.selectors import targets
from hub.eventlog.selectors import fetch
from hub.replay import candidates
from hub.replay.candidates import Candidate
from hub.replay.models import Job, Target
from hub.routing import runs
from hub.tenants import scoping
from hub.tenants.scoping import Scope

LOCK: Final = 14
ROOM: Final = 500
"""Deliveries of a job that may wait for a subscription when its next page is made."""
AT_WORK: Final = (Job.State.RUNNING, Job.State.PAUSED, Job.State.CANCELLING)
IDLE_S: Final = 0.05
BURST_S: Final = 1.0

_WAITING: Final = """
SELECT sub, sum(n)::int FROM (
  SELECT sub, count(*) AS n FROM due WHERE run = %s GROUP BY sub
  UNION ALL SELECT sub, cardinality(seqs) FROM replay_page WHERE run = %s AND applied_at IS NULL) w GROUP BY sub"""
_PAGE: Final = """
INSERT INTO replay_page (run, shard, sub, src, day, seqs)
SELECT %s, %s, %s, s, d, string_to_array(q, ',')::int8[] FROM unnest(%s::int2[], %s::date[], %s::text[]) x(s, d, q)"""
_END: Final = "UPDATE replay_page SET ended = true WHERE run = %s AND applied_at IS NULL"


def feed(*, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
    """Work through all jobs for at most so long. Returns at once if another process is at it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, 0)", [LOCK])
        if not cursor.fetchone()[0]:
            return
    try:
        _feed(until=clock() + seconds, clock=clock)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s, 0)", [LOCK])


def _feed(*, until: float, clock: Callable[[], float]) -> None:
    began: dict[int, float] = {}
    issued: Counter[int] = Counter()
    while clock() < until:
        jobs = list(Job.objects.filter(state__in=AT_WORK).select_related("environment").order_by("id"))
        if all(job.state == Job.State.PAUSED for job in jobs):
            return
        made = 0
        for job in jobs:
            if job.state == Job.State.RUNNING:
                since = began.setdefault(job.id, clock())
                allowed = job.rate * (clock() - since + BURST_S) - issued[job.id]
                pages, count = _advance(job, allowed=int(allowed))
                made += pages
                issued[job.id] += count
            elif job.state == Job.State.CANCELLING:
                _cancel(job)
        if not made:
            time.sleep(IDLE_S)


def _advance(job: Job, *, allowed: int) -> tuple[int, int]:
    """(pages, deliveries) made for a running job; it is done when nothing is left to make, and nothing waits."""
    waiting: dict[int, int] = dict(fetch(_WAITING, [job.run, job.run]))
    scope = scope_of(job)
    pages = count = 0
    left = list(Target.objects.filter(job=job, ended=False).order_by("id"))
    for row in left:
        if count >= allowed:
            break
        if waiting.get(row.sub, 0) <= ROOM:
            pages += 1
            count += _page(scope, job, row, most=min(candidates.PAGE, max(allowed - count, 1)))
    if not left and not waiting:
        _finish(job, Job.State.DONE)
    return pages, count


def _page(scope: Scope, job: Job, row: Target, *, most: int) -> int:
    to = next(iter(targets(scope, numbers=[row.sub], live=True)), None)
    found = (
        candidates.Candidates([], 0, 0, None)
        if to is None
        else candidates.page(scope, job, subscription=to, position=row.position, limit=most)
    )
    with transaction.atomic():
        # Whoever cancels or pauses waits for this page; after that, none is made.
        if not Job.objects.select_for_update().filter(id=job.id, state=Job.State.RUNNING).exists():
            return 0
        moved = Target.objects.filter(id=row.id, ended=False).update(
            position=found.next, ended=found.next is None, issued=F("issued") + len(found.rows),
            skipped=F("skipped") + found.skipped,
        )  # fmt: skip
        if moved and found.rows:
            _write(job, row, found.rows)
    return len(found.rows)


def _write(job: Job, row: Target, rows: Iterable[Candidate]) -> None:
    by_day: dict[tuple[int, date], set[int]] = defaultdict(set)
    for one in rows:
        by_day[one.src, one.day].add(one.seq)
    columns: Sequence[Any] = (
        [src for src, _ in by_day], [day for _, day in by_day],
        [",".join(map(str, sorted(seqs))) for seqs in by_day.values()],
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_PAGE, [job.run, row.shard, row.sub, *columns])
        cursor.execute("SELECT pg_notify('hub_commands', '')")


def _cancel(job: Job) -> None:
    """What waits of it is cancelled, by the owners; it is cancelled when nothing does."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_END, [job.run])
    left = runs.cancel_run(environment=job.environment_id, run=job.run, actor=job.actor)
    if not left and not fetch(_WAITING, [job.run, job.run]):
        _finish(job, Job.State.CANCELLED)


def _finish(job: Job, state: str) -> None:
    Job.objects.filter(id=job.id, state=job.state).update(
        state=state, finished_at=Now(), version=F("version") + 1
    )


def scope_of(job: Job) -> Scope:
    """Those rows that whoever asked for it could reach."""
    scope = scoping.system(environment=job.environment, actor=job.actor)
    return Scope(
        scope.tenant_id, scope.environment_id, job.consumer, scope.actor_kind, scope.actor, scope.scopes
    )
