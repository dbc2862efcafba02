"""Replays: a plan first, then a job that can be paused, resumed and cancelled."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from hub.api import fields, pagination
from hub.api.idempotency import idempotent
from hub.api.schema import page_of
from hub.api.views.base import HubView
from hub.core import ids
from hub.core.clock import utcnow
from hub.replay import asking, selectors, services
from hub.replay.models import Job


class Input(fields.Strict):
    search = fields.Text(
        required=False, allow_blank=True, max_length=1_000,
        help_text="Which, in the search language. Deliveries that have ended; with a subscription, events. Relative times count from now.",
    )  # fmt: skip
    subscription = fields.Text(
        required=False,
        max_length=40,
        help_text="Send events to this one, as far as it asks for them; also to one that is new.",
    )
    only_missing = fields.Flag(
        required=False, help_text="Only events of which the subscription never had a delivery."
    )
    skip_delivered = fields.Flag(
        required=False, help_text="Leave out what reached the subscription in any run."
    )
    rate = fields.Whole(
        required=False, min_value=1, max_value=asking.MOST_RATE,
        help_text=f"Deliveries a second, at most; {asking.DEFAULT_RATE} if it isn't given.",
    )  # fmt: skip

    class Meta:
        ref_name = "ReplayInput"


class PlanOutput(serializers.Serializer[Job]):
    complete = serializers.BooleanField(help_text="false: there are more than could be counted in time.")
    count = serializers.IntegerField(help_text="Deliveries that would be made.")
    skipped = serializers.IntegerField(help_text="Found, but left out.")
    delivered = serializers.IntegerField(
        help_text="Of the count, those that reached the subscription already."
    )
    oldest = serializers.CharField(allow_null=True, help_text="The oldest event.")
    newest = serializers.CharField(allow_null=True)
    subscriptions: Any = serializers.DictField(
        child=serializers.IntegerField(), help_text="Deliveries by subscription, the most at first."
    )
    more_subscriptions = serializers.IntegerField(help_text="Subscriptions not named here.")
    duration_s = serializers.FloatField(help_text="At the rate asked for.")

    class Meta:
        ref_name = "ReplayPlan"


class ProgressOutput(serializers.Serializer[Job]):
    issued = serializers.IntegerField(help_text="Deliveries made so far.")
    skipped = serializers.IntegerField()
    left = serializers.IntegerField(
        allow_null=True, help_text="Not made yet; null if the plan isn't complete."
    )
    waiting = serializers.IntegerField(help_text="Made, and not ended yet.")
    attempts = serializers.IntegerField()
    failures = serializers.IntegerField()
    delivered = serializers.IntegerField()
    dead = serializers.IntegerField()
    cancelled = serializers.IntegerField()
    other = serializers.IntegerField()
    eta_s = serializers.FloatField(allow_null=True)

    class Meta:
        ref_name = "ReplayProgress"


class Output(serializers.Serializer[Job]):
    id = serializers.CharField()
    state = serializers.ChoiceField(Job.State.choices)
    run = serializers.IntegerField(
        help_text="Of all its deliveries; their requests bear it as `trunkline-run`."
    )
    search = serializers.CharField(allow_blank=True)
    subscription = serializers.CharField(allow_null=True)
    only_missing = serializers.BooleanField()
    skip_delivered = serializers.BooleanField()
    rate = serializers.IntegerField()
    frozen_at = serializers.DateTimeField(help_text="Nothing younger is sent.")
    plan: Any = PlanOutput()
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)

    class Meta:
        ref_name = "Replay"


class Detail(Output):
    progress: Any = ProgressOutput()

    class Meta:
        ref_name = "ReplayDetail"


def show(job: Job) -> dict[str, Any]:
    """As Output."""
    plan = dict(job.plan)
    for name in ("oldest", "newest"):
        plan[name] = None if plan[name] is None else ids.encode("evt", bytes.fromhex(plan[name]))
    plan["duration_s"] = round(plan["count"] / job.rate, 1)
    return {
        "id": job.uid, "state": job.state, "run": job.run, "search": job.search,
        "subscription": None if job.target is None else job.target.uid, "only_missing": job.only_missing,
        "skip_delivered": job.skip_delivered, "rate": job.rate, "frozen_at": job.frozen_at, "plan": plan,
        "created_at": job.created_at, "started_at": job.started_at, "finished_at": job.finished_at,
    }  # fmt: skip


def detail(job: Job) -> dict[str, Any]:
    """As Detail."""
    far = selectors.how_far(job, now=utcnow())
    progress = {
        "issued": far.issued, "skipped": far.skipped, "left": far.left, "waiting": far.waiting, "eta_s": far.eta_s,
        **asdict(far.counts),
    }  # fmt: skip
    return {**show(job), "progress": progress}


class ReplaysView(HubView):
    """POST makes a plan and sends nothing: it says how many, for whom, and how long it takes. Start it by its address."""

    scopes: ClassVar = {"GET": "deliveries:read", "POST": "deliveries:write"}
    query: ClassVar = {"GET": pagination.PARAMETERS}

    @extend_schema(operation_id="replays_list", responses=page_of(Output))
    def get(self, request: Request) -> Response:
        limit = pagination.limit_of(request)
        last = pagination.open_cursor(request, name="replays", scope=self.scope)
        rows = selectors.jobs(self.scope)
        found = list((rows if last is None else rows.filter(id__lt=last)).order_by("-id")[: limit + 1])
        more, found = len(found) > limit, found[:limit]
        return pagination.answer(
            [show(job) for job in found], found[-1].id if more else None, name="replays", scope=self.scope
        )

    @extend_schema(operation_id="replays_plan", request=Input, responses={201: Detail})
    @idempotent
    def post(self, request: Request) -> Response:
        job = services.plan(scope=self.scope, **self.read(Input))
        return Response(detail(job), status=201, headers={"Location": f"/api/v1/replays/{job.uid}"})


class ReplayView(HubView):
    """One of them, and how far it is; at most two seconds behind."""

    scopes: ClassVar = {"GET": "deliveries:read"}

    @extend_schema(operation_id="replays_get", responses=Detail)
    def get(self, request: Request, replay: str) -> Response:
        return Response(detail(selectors.job(self.scope, replay)))


class ReplayStartView(HubView):
    """Begins to send what was planned."""

    scopes: ClassVar = {"POST": "deliveries:write"}

    @extend_schema(operation_id="replays_start", request=None, responses=Detail)
    @idempotent
    def post(self, request: Request, replay: str) -> Response:
        return Response(detail(services.start(scope=self.scope, uid=replay)))


class ReplayPauseView(HubView):
    """Makes no more of it; what waits already (up to 1,000 for each subscription) still goes out."""

    scopes: ClassVar = {"POST": "deliveries:write"}

    @extend_schema(operation_id="replays_pause", request=None, responses=Detail)
    @idempotent
    def post(self, request: Request, replay: str) -> Response:
        return Response(detail(services.pause(scope=self.scope, uid=replay)))


class ReplayResumeView(HubView):
    """Goes on where it was paused."""

    scopes: ClassVar = {"POST": "deliveries:write"}

    @extend_schema(operation_id="replays_resume", request=None, responses=Detail)
    @idempotent
    def post(self, request: Request, replay: str) -> Response:
        return Response(detail(services.resume(scope=self.scope, uid=replay)))


class ReplayCancelView(HubView):
    """Ends it: what waits is cancelled within two seconds."""

    scopes: ClassVar = {"POST": "deliveries:write"}

    @extend_schema(operation_id="replays_cancel", request=None, responses=Detail)
    @idempotent
    def post(self, request: Request, replay: str) -> Response:
        return Response(detail(services.cancel(scope=self.scope, uid=replay)))
