"""Consumers: the tenant's own customers and partners, by con_ id or by the uid the tenant chose."""

from __future__ import annotations

from typing import ClassVar

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from hub.api import fields, pagination
from hub.api.idempotency import idempotent
from hub.api.schema import page_of
from hub.api.views.base import HubView
from hub.consumption import services as consumption
from hub.tenants.models import Consumer
from hub.tenants.services import consumers
from hub.tenants.services.checks import UID


class Limits(fields.Strict):
    """What a consumer may have at most."""

    subscriptions = fields.Whole(required=False, min_value=0, max_value=1_000_000)
    events_per_second = fields.Number(required=False, min_value=0.001, max_value=1_000_000)


class Input(fields.Strict):
    uid = fields.Text(
        max_length=128,
        validators=[
            fields.pattern(
                rf"^(?!con_){UID.pattern}\Z", "must be A-Z a-z 0-9 _ . : @ -, not beginning with con_"
            )
        ],
        help_text="Your own name for it; usable wherever an id is.",
    )
    name = fields.Line(required=False)
    metadata = fields.Object(required=False, help_text="Anything, up to 8 KiB.")
    limits = Limits(required=False)

    class Meta:
        ref_name = "ConsumerInput"


class Output(serializers.Serializer[Consumer]):
    id = serializers.CharField(source="public_id")
    uid = serializers.CharField()
    name = serializers.CharField(allow_blank=True)
    metadata = fields.Object()
    limits = fields.Object()
    version = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    class Meta:
        ref_name = "Consumer"


class ConsumersView(HubView):
    """All of them; a consumer's key sees itself alone."""

    scopes: ClassVar = {"GET": "consumers:read", "POST": "consumers:write"}
    query: ClassVar = {
        "GET": (*pagination.PARAMETERS, OpenApiParameter("uid", str, description="The one with this uid."))
    }

    @extend_schema(operation_id="consumers_list", responses=page_of(Output))
    def get(self, request: Request) -> Response:
        rows = self.scope.consumers()
        if "uid" in request.query_params:
            rows = rows.filter(uid=request.query_params["uid"])
        return pagination.page(request, rows, name="consumers", output=Output)

    @extend_schema(operation_id="consumers_create", request=Input, responses={201: Output})
    @idempotent
    def post(self, request: Request) -> Response:
        consumer = consumers.create(scope=self.scope, **self.read(Input))
        location = f"/api/v1/consumers/{consumer.public_id}"
        return self.answer(Output(consumer).data, version=consumer.version, status=201, location=location)


class ConsumerView(HubView):
    """One of them."""

    scopes: ClassVar = {"GET": "consumers:read", "PATCH": "consumers:write", "DELETE": "consumers:write"}
    versioned = True

    @extend_schema(operation_id="consumers_get", responses=Output)
    def get(self, request: Request, consumer: str) -> Response:
        return self._show(self.scope.consumer(consumer))

    @extend_schema(operation_id="consumers_update", request=Input, responses=Output)
    def patch(self, request: Request, consumer: str) -> Response:
        changes = self.read(Input, partial=True)
        return self._show(
            consumers.update(
                scope=self.scope, ref=consumer, changes=changes, expected_version=self.expected_version
            )
        )

    @extend_schema(
        operation_id="consumers_delete",
        responses={204: None},
        description="Deletes the consumer with its subscriptions and positions, and revokes its keys.",
    )
    def delete(self, request: Request, consumer: str) -> Response:
        consumption.delete_consumer(scope=self.scope, ref=consumer, expected_version=self.expected_version)
        return Response(status=204)

    def _show(self, consumer: Consumer) -> Response:
        return self.answer(Output(consumer).data, version=consumer.version)
