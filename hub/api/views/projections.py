"""Projections: what events of a type do to their subject's state, and which paths of their data are indexed."""

from __future__ import annotations

from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from hub.api import fields, pagination
from hub.api.idempotency import idempotent
from hub.api.schema import page_of
from hub.api.views.base import HubView
from hub.insights import projections
from hub.insights.key_values import MOST_PATHS
from hub.insights.models import Projection

_SEMANTICS = "snapshot: an event's data is the state; merge-patch: it is a JSON Merge Patch of it (RFC 7396)."
_KEYS = f"Up to {MOST_PATHS} paths, such as customer.id, that searches find by an index."


class Change(fields.Strict):
    semantics = fields.Choice(Projection.Semantics.choices, help_text=_SEMANTICS)
    keys = serializers.ListField(
        child=fields.Text(max_length=200), required=False, max_length=MOST_PATHS, help_text=_KEYS
    )

    class Meta:
        ref_name = "ProjectionChange"


class Input(Change):
    pattern = fields.Text(max_length=130, help_text="An event type, `order.*`, or `*`.")

    class Meta:
        ref_name = "ProjectionInput"


class Output(serializers.Serializer[Projection]):
    id = serializers.CharField(source="uid")
    pattern = serializers.CharField()
    semantics = serializers.ChoiceField(Projection.Semantics.choices)
    keys = serializers.ListField(child=serializers.CharField())
    indexed_at = serializers.DateTimeField(
        allow_null=True, help_text="When the events from before were in the index too; null: not yet."
    )
    version = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    class Meta:
        ref_name = "Projection"


class ProjectionsView(HubView):
    """One for each pattern of types. Of several that ask for a type, the closest says what its events do."""

    scopes: ClassVar = {"GET": "events:read", "POST": "environment:write"}
    environment_wide = True
    query: ClassVar = {"GET": pagination.PARAMETERS}

    @extend_schema(operation_id="projections_list", responses=page_of(Output))
    def get(self, request: Request) -> Response:
        return pagination.page(
            request, projections.projections(self.scope), name="projections", output=Output
        )

    @extend_schema(operation_id="projections_create", request=Input, responses={201: Output})
    @idempotent
    def post(self, request: Request) -> Response:
        made = projections.create(scope=self.scope, **self.read(Input))
        return self.answer(
            Output(made).data, version=made.version, status=201, location=f"/api/v1/projections/{made.uid}"
        )


class ProjectionView(HubView):
    """One of them."""

    scopes: ClassVar = {"GET": "events:read", "PATCH": "environment:write", "DELETE": "environment:write"}
    environment_wide = True
    versioned = True

    @extend_schema(operation_id="projections_get", responses=Output)
    def get(self, request: Request, projection: str) -> Response:
        return self._show(projections.projection(self.scope, projection))

    @extend_schema(operation_id="projections_update", request=Change, responses=Output)
    def patch(self, request: Request, projection: str) -> Response:
        changes = self.read(Change, partial=True)
        return self._show(
            projections.update(
                scope=self.scope, uid=projection, changes=changes, expected_version=self.expected_version
            )
        )

    @extend_schema(operation_id="projections_delete", responses={204: None})
    def delete(self, request: Request, projection: str) -> Response:
        projections.delete(scope=self.scope, uid=projection, expected_version=self.expected_version)
        return Response(status=204)

    def _show(self, row: Projection) -> Response:
        # Indexing goes on without a new version.
        extra = "" if row.indexed_at is None else f"{int(row.indexed_at.timestamp())}"
        return self.answer(Output(row).data, version=row.version, extra=extra)
