"""Replays as a scope may see them, and how far one is. It changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet, Sum

from hub.insights.runs import RunCounts, progress
from hub.replay.models import Job, Target
from hub.tenants import refusals
from hub.tenants.scoping import Scope


@dataclass(frozen=True, slots=True)
class Progress:
    """`issued`: handed to the owners; `left`: not yet, by the plan, None if that isn't complete. `counts`: what became of it."""

    issued: int
    skipped: int
    left: int | None
    counts: RunCounts
    waiting: int
    eta_s: float | None


def jobs(scope: Scope) -> QuerySet[Job]:
    """Those of the environment; for a consumer's key, those it asked for."""
    rows = Job.objects.filter(
        environment_id=scope.environment_id, environment__tenant_id=scope.tenant_id
    ).select_related("target")
    return rows if scope.consumer_id is None else rows.filter(consumer=scope.consumer_id)


def job(scope: Scope, uid: str, *, lock: bool = False) -> Job:
    """One of them, or a 404."""
    rows = jobs(scope)
    if lock:
        rows = rows.select_for_update(of=("self",))
    found = rows.filter(uid=uid).first() if uid.isascii() and "\x00" not in uid else None
    if found is None:
        raise refusals.not_found("replay")
    return found


def how_far(job: Job, *, now: datetime) -> Progress:
    """At most two seconds behind. The ETA goes by the rate so far, or, before anything was sent, by the rate asked for."""
    sums = Target.objects.filter(job=job).aggregate(issued=Sum("issued"), skipped=Sum("skipped"))
    issued, skipped = sums["issued"] or 0, sums["skipped"] or 0
    total = RunCounts()
    for counts in progress(job.run).values():
        for name in RunCounts.__slots__:
            setattr(total, name, getattr(total, name) + getattr(counts, name))
    waiting = max(issued - total.ended, 0)
    left = max(job.plan["count"] - issued, 0) if job.plan.get("complete") else None
    eta = None
    if left is not None and job.state == Job.State.RUNNING:
        elapsed = (now - job.started_at).total_seconds() if job.started_at else 0.0
        rate = total.ended / elapsed if total.ended and elapsed > 0 else float(job.rate)
        eta = round((left + waiting) / rate, 1)
    return Progress(issued, skipped, left, total, waiting, eta)
