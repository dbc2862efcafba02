"""Statistics: figures and curves of an environment, a consumer, a subscription or a type, and who has the most of something."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from hub.api import moments, pagination
from hub.api.views.base import HubView
from hub.core.clock import utcnow
from hub.core.problems import closest
from hub.delivery import selectors as deliveries
from hub.insights import statistics
from hub.insights.cells import Grain, Kind
from hub.insights.figures import Figures, Latency, TooManyPoints, grain_for
from hub.insights.statistics import ORDERS, Of
from hub.subscriptions.patterns import BadPattern, validate_type
from hub.tenants.scoping import Scope

_KINDS = {kind.name: kind for kind in (Kind.consumer, Kind.subscription, Kind.type)}
_DEFAULT = "24h"
EVENT_TYPE: dict[str, Any] = {
    "type": "string",
    "maxLength": 128,
    "pattern": r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$",
}


def _one_of(request: Request, name: str, choices: list[str]) -> str | None:
    text = request.query_params.get(name)
    if text is not None and text not in choices:
        meant = closest(text, choices)
        hint = f", did you mean {meant}?" if meant else ""
        raise pagination.bad_parameter(name, f"must be one of {', '.join(choices)}{hint}")
    return text


def _choice(name: str, choices: list[str], description: str, *, required: bool = False) -> OpenApiParameter:
    return OpenApiParameter(
        name, {"type": "string", "enum": choices}, description=description, required=required
    )


def _span(request: Request) -> tuple[datetime, datetime]:
    """(since, until) that were asked for: the last 24 hours, if nothing was."""
    now = utcnow()
    until = moments.asked(request, "until", now=now) or now
    since = moments.asked(request, "since", now=now) or moments.parse(_DEFAULT, now=until)
    if since >= until:
        raise pagination.bad_parameter("since", "must lie before until")
    return since, until


class LatencyOutput(serializers.Serializer[Latency]):
    p50 = serializers.FloatField(allow_null=True, help_text="Milliseconds, within 2 %.")
    p95 = serializers.FloatField(allow_null=True)
    p99 = serializers.FloatField(allow_null=True)
    mean = serializers.FloatField(allow_null=True)
    max = serializers.FloatField(allow_null=True)

    class Meta:
        ref_name = "Latency"


class FiguresOutput(serializers.Serializer[Figures]):
    attempts = serializers.IntegerField(help_text="Requests made.")
    failures = serializers.IntegerField(help_text="Of them, those not answered by 2xx.")
    retries = serializers.IntegerField(help_text="Of them, those that were not the first of their delivery.")
    delivered = serializers.IntegerField()
    dead = serializers.IntegerField()
    cancelled = serializers.IntegerField()
    expired = serializers.IntegerField()
    other_ends = serializers.IntegerField()
    bytes_sent = serializers.IntegerField(help_text="Of events' data.")
    bytes_received = serializers.IntegerField(help_text="Of answers.")
    events = serializers.IntegerField(help_text="Accepted and routed; 0 for a subscription.")
    bytes = serializers.IntegerField(help_text="Of these events' data.")
    unmatched = serializers.IntegerField(help_text="Of these events, those that nobody had subscribed to.")
    latency = LatencyOutput(help_text="How long attempts took.")
    lag = LatencyOutput(help_text="From acceptance to the first attempt.")
    reasons: Any = serializers.DictField(
        child=serializers.IntegerField(), help_text="Failures and ends by their reason."
    )

    class Meta:
        ref_name = "Figures"


def show(figures: Figures) -> dict[str, Any]:
    """As FiguresOutput."""
    return {
        **figures.counts,
        "latency": asdict(figures.latency),
        "lag": asdict(figures.lag),
        "reasons": figures.reasons,
    }


class StatisticsView(HubView):
    """At most two seconds behind. Attempts count in the minute they were made in, events in that of their acceptance.

    Of the whole environment, unless one consumer, subscription or type is named. The series has a point for each minute, hour
    or day (UTC) that the time touches. A consumer's key has statistics of its own: of its consumer, or of its subscriptions.
    """

    scopes: ClassVar = {"GET": "deliveries:read"}
    query: ClassVar = {
        "GET": (
            OpenApiParameter("subscription", str, description="Of this one; also of a deleted one."),
            OpenApiParameter("consumer", str, description="Of this one, by con_ id or uid."),
            OpenApiParameter("type", EVENT_TYPE, description="Of this event type."),
            _choice(
                "grain", [grain.name for grain in Grain], "By what; chosen by the time if it isn't given."
            ),
            *moments.parameters("what happened"),
        )
    }

    class Output(serializers.Serializer[None]):
        since = serializers.DateTimeField()
        until = serializers.DateTimeField()
        grain = serializers.ChoiceField([grain.name for grain in Grain])
        total: Any = FiguresOutput()
        series: Any = serializers.ListField(
            child=serializers.DictField(), help_text="`at`, and the figures from there on."
        )

        class Meta:
            ref_name = "Statistics"

    @extend_schema(operation_id="statistics_get", responses=Output)
    def get(self, request: Request) -> Response:
        since, until = _span(request)
        named = _one_of(request, "grain", [grain.name for grain in Grain])
        grain = grain_for(since, until) if named is None else Grain[named]
        try:
            found = statistics.series(
                scope=self.scope, of=_of(request, self.scope), since=since, until=until, grain=grain
            )
        except TooManyPoints as error:
            raise pagination.bad_parameter("grain", str(error)) from None
        series = [{"at": point.at, **show(point.figures)} for point in found.points]
        return Response(
            {
                "since": since,
                "until": until,
                "grain": grain.name,
                "total": show(found.total),
                "series": series,
            }
        )


def _type(text: str) -> str:
    try:
        return validate_type(text)
    except BadPattern as error:
        raise pagination.bad_parameter("type", str(error)) from None


def _of(request: Request, scope: Scope) -> Of:
    given = [name for name in _KINDS if name in request.query_params]
    if len(given) > 1:
        raise pagination.bad_parameter(given[1], f"can't go with {given[0]}; leave one")
    if not given:
        return (
            Of(Kind.environment) if scope.consumer_id is None else Of(Kind.consumer, str(scope.consumer_id))
        )
    text = request.query_params[given[0]]
    if given[0] == "type":
        return Of(Kind.type, _type(text))
    if given[0] == "consumer":
        return Of(Kind.consumer, str(scope.consumer(text).id))
    return Of(Kind.subscription, str(deliveries.target(scope, uid=text).id))


class StatisticsTopView(HubView):
    """Who has the most of something, the most at first; those that have nothing of it are left out."""

    scopes: ClassVar = {"GET": "deliveries:read"}
    environment_wide = True
    query: ClassVar = {
        "GET": (
            pagination.PARAMETERS[0],
            _choice("by", list(_KINDS), "What is ranked.", required=True),
            _choice("order", list(ORDERS), "By what; failures if it isn't given."),
            *moments.parameters("what happened"),
        )
    }

    class Output(serializers.Serializer[None]):
        since = serializers.DateTimeField()
        until = serializers.DateTimeField()
        data: Any = serializers.ListField(child=serializers.DictField(), help_text="`id`, and its counts.")

        class Meta:
            ref_name = "StatisticsTop"

    @extend_schema(operation_id="statistics_top", responses=Output)
    def get(self, request: Request) -> Response:
        by = _one_of(request, "by", list(_KINDS))
        if by is None:
            raise pagination.bad_parameter("by", f"is needed: one of {', '.join(_KINDS)}")
        order = _one_of(request, "order", list(ORDERS)) or "failures"
        since, until = _span(request)
        ranks = statistics.top(
            scope=self.scope, kind=_KINDS[by], since=since, until=until,
            order=next(name for name in ORDERS if name == order), limit=pagination.limit_of(request),
        )  # fmt: skip
        names = statistics.names(scope=self.scope, kind=_KINDS[by], refs=[rank.ref for rank in ranks])
        data = [{"id": names[rank.ref], **rank.counts} for rank in ranks if rank.ref in names]
        return Response({"since": since, "until": until, "data": data})
