"""The log: events newest first, by offset, or one of them. Events are taken in before Django, never here."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from hub.api import moments, pagination, searching
from hub.api.views import delivery_fields, event_fields
from hub.api.views.base import HubView
from hub.api.views.deliveries import deliveries_page, event_term, status_terms
from hub.api.views.event_fields import TYPE, asked_type, event_id
from hub.core.clock import utcnow
from hub.delivery import selectors as deliveries
from hub.eventlog import selectors
from hub.insights import finding
from hub.insights.search_events import parse_for_events
from hub.routing import services as routing

_SUBJECT: dict[str, Any] = {"type": "string", "maxLength": 256}
_OFFSET: dict[str, Any] = {"type": "integer", "minimum": 0, "maximum": 2**63 - 1, "default": 0}
_SHARD: dict[str, Any] = {"type": "integer", "minimum": 0, "maximum": 63}


class EventsView(HubView):
    """Newest first. A page may be short, or even empty, and yet not the last: `has_more` tells."""

    scopes: ClassVar = {"GET": "events:read"}
    query: ClassVar = {
        "GET": (
            *pagination.PARAMETERS,
            searching.parameter("type:order.* body.customer.id:42 since:24h"),
            TYPE,
            OpenApiParameter("subject", _SUBJECT, description="Exactly this subject."),
            OpenApiParameter("consumer", str, description="Addressed to it, by con_ id or uid."),
            *moments.parameters("those accepted"),
        )
    }
    elsewhere = ("POST",)

    @extend_schema(operation_id="events_list", responses=searching.answer_of(event_fields.Output))
    def get(self, request: Request) -> Response:
        given, terms = request.query_params, []
        subject = given.get("subject")
        if subject is not None:
            if len(subject) > _SUBJECT["maxLength"]:
                raise pagination.bad_parameter("subject", "has at most 256 characters")
            terms.append(searching.equal("subject", subject))
        if "consumer" in given:
            terms.append(searching.equal("consumer", self.scope.consumer(given["consumer"]).public_id))
        if pattern := asked_type(request):
            terms.append(searching.of_type(pattern))
        query = searching.asked(request, parse_for_events, more=terms, now=utcnow())
        return searching.answer(
            request, query, find=finding.events, name="events", scope=self.scope, show=event_fields.show
        )


class EventBatchView(HubView):
    """Only says that POST is what is offered here; ingest answers it."""

    elsewhere = ("POST",)


class EventLogView(HubView):
    """One shard of the log by offset, in the order in which events were committed, with their data.

    Read it to its end, and go on from `next_after` for ever: nothing is skipped, and nothing comes twice.
    """

    scopes: ClassVar = {"GET": "events:read"}
    query: ClassVar = {
        "GET": (
            pagination.PARAMETERS[0],
            OpenApiParameter("shard", _SHARD, required=True, description="One of `/events/shards`."),
            OpenApiParameter("after", _OFFSET, description="The offset (`seq`) to begin after."),
        )
    }

    class Output(serializers.Serializer[None]):
        data: Any = event_fields.WithData(many=True)
        next_after = serializers.IntegerField(help_text="The offset to go on after.")
        has_more = serializers.BooleanField(help_text="There is more already.")

        class Meta:
            ref_name = "EventLog"

    @extend_schema(operation_id="events_log", responses=Output)
    def get(self, request: Request) -> Response:
        if "shard" not in request.query_params:
            raise pagination.bad_parameter("shard", "is needed; see /api/v1/events/shards")
        page = selectors.log(
            scope=self.scope,
            shard=pagination.whole(request, "shard", largest=_SHARD["maximum"]),
            after=pagination.whole(request, "after", largest=_OFFSET["maximum"]),
            limit=pagination.limit_of(request),
        )
        rows = [event_fields.show(event) for event in page.rows]
        return Response({"data": rows, "next_after": page.upto, "has_more": page.more})


class EventShardsView(HubView):
    """The shards in which events of the key may lie: the environment's, and its consumers'."""

    scopes: ClassVar = {"GET": "events:read"}

    class Output(serializers.Serializer[None]):
        data: Any = serializers.ListField(child=serializers.IntegerField())

        class Meta:
            ref_name = "EventShards"

    @extend_schema(operation_id="events_shards", responses=Output)
    def get(self, request: Request) -> Response:
        return Response({"data": selectors.shards(self.scope)})


class EventView(HubView):
    """One event, with its data and how its deliveries stand."""

    scopes: ClassVar = {"GET": "events:read"}

    @extend_schema(operation_id="events_get", responses=event_fields.Detail)
    def get(self, request: Request, event: str) -> Response:
        found = selectors.event(scope=self.scope, id=event_id(event))
        states, more = deliveries.of_event(scope=self.scope, event=found)
        return Response(
            {
                **event_fields.show(found),
                "routing": routing.routing_of(found),
                "deliveries": {
                    "total": states.total(),
                    "has_more": more,
                    "states": {state.value: count for state, count in states.items()},
                },
            }
        )


class EventDeliveriesView(HubView):
    """Those of one event."""

    scopes: ClassVar = {"GET": "deliveries:read"}
    query: ClassVar = {"GET": (*pagination.PARAMETERS, delivery_fields.STATUS)}

    @extend_schema(operation_id="events_deliveries", responses=searching.answer_of(delivery_fields.Output))
    def get(self, request: Request, event: str) -> Response:
        return deliveries_page(request, self.scope, [event_term(self.scope, event), *status_terms(request)])
