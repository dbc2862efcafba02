"""Positions: named places in the stream from which events are fetched. Reading from one has its own views."""

from __future__ import annotations

from hashlib import blake2b
from typing import ClassVar

import orjson
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from hub.api import pagination
from hub.api.idempotency import idempotent
from hub.api.schema import page_of
from hub.api.views.base import HubView
from hub.api.views.consumption_fields import Change, Detail, New, Output, Seek, detail
from hub.consumption import selectors, services
from hub.consumption.models import Position


class PositionsView(HubView):
    """All that the key can reach; one of a consumer sees those that its own keys made."""

    scopes: ClassVar = {"GET": "events:read", "POST": "events:consume"}
    query: ClassVar = {
        "GET": (
            *pagination.PARAMETERS,
            OpenApiParameter("consumer", str, description="Only this consumer's, by con_ id or uid."),
        )
    }

    @extend_schema(operation_id="positions_list", responses=page_of(Output))
    def get(self, request: Request) -> Response:
        rows = selectors.positions(self.scope)
        if "consumer" in request.query_params:
            rows = rows.filter(consumer=self.scope.consumer(request.query_params["consumer"]))
        return pagination.page(request, rows, name="positions", output=Output)

    @extend_schema(
        operation_id="positions_create",
        request=New,
        responses={201: Output},
        description="A name is there once among the environment's, and once among those of each consumer's own keys.",
    )
    @idempotent
    def post(self, request: Request) -> Response:
        given = self.read(New)
        position = services.create(scope=self.scope, start=given.pop("from"), **given)
        return self.answer(
            Output(position).data,
            version=position.version,
            status=201,
            location=f"/api/v1/consumption/{position.name}",
        )


class PositionView(HubView):
    """One of them, by its name or id."""

    scopes: ClassVar = {"GET": "events:read", "PATCH": "events:consume", "DELETE": "events:consume"}
    versioned = True

    @extend_schema(
        operation_id="positions_get",
        responses=Detail,
        description="With its offsets, the leases that are out, and how much is unread.",
    )
    def get(self, request: Request, position: str) -> Response:
        row = selectors.position(self.scope, position)
        shown = detail(row, selectors.standing(row))
        # The age of the oldest grows by itself and makes nothing new.
        told = {**shown, "backlog": {**shown["backlog"], "lag_s": None}}
        extra = blake2b(orjson.dumps(told), digest_size=8).hexdigest()
        return self.answer(shown, version=row.version, extra=extra)

    @extend_schema(
        operation_id="positions_update",
        request=Change,
        responses=Output,
        description="In force with the next read. What was passed over before stays so until it is sought back.",
    )
    def patch(self, request: Request, position: str) -> Response:
        changes = self.read(Change, partial=True)
        return self._show(
            services.update(
                scope=self.scope, ref=position, changes=changes, expected_version=self.expected_version
            )
        )

    @extend_schema(
        operation_id="positions_delete",
        responses={204: None},
        description="Leases that are out end with it.",
    )
    def delete(self, request: Request, position: str) -> Response:
        services.delete(scope=self.scope, ref=position, expected_version=self.expected_version)
        return Response(status=204)

    def _show(self, position: Position) -> Response:
        return self.answer(Output(position).data, version=position.version)


class SeekView(HubView):
    """Moves it, back or forth. What was leased is revoked."""

    scopes: ClassVar = {"POST": "events:consume"}

    @extend_schema(operation_id="positions_seek", request=Seek, responses=Detail)
    @idempotent
    def post(self, request: Request, position: str) -> Response:
        to = self.read(Seek)["to"]
        if isinstance(to, dict):
            row = services.seek_shards(scope=self.scope, ref=position, to=to)
        else:
            row = services.seek(scope=self.scope, ref=position, to=to)
        return Response(detail(row, selectors.standing(row)))
