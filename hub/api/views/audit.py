"""The audit: who changed what in the environment, and in the tenant as a whole. Reading only."""

from __future__ import annotations

from typing import ClassVar

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from hub.api import fields, pagination
from hub.api.schema import page_of
from hub.api.views.base import HubView
from hub.tenants.models import AuditEntry


class AuditView(HubView):
    """Newest first."""

    scopes: ClassVar = {"GET": "audit:read"}
    environment_wide = True
    query: ClassVar = {
        "GET": (
            *pagination.PARAMETERS,
            OpenApiParameter("action", str, description="Such as subscription.created."),
            OpenApiParameter("target", str, description="The id of what was changed."),
            OpenApiParameter("actor", str, description="The id of the key, or the member's email."),
        )
    }

    class Output(serializers.Serializer[AuditEntry]):
        id = serializers.CharField(source="uid")
        at = serializers.DateTimeField()
        actor_kind = serializers.ChoiceField(["member", "key", "staff", "system"])
        actor = serializers.CharField()
        action = serializers.CharField()
        target_kind = serializers.CharField()
        target = serializers.CharField()
        changes = fields.Object(help_text="{field: [old, new]}; of secrets only that they changed.")
        ip = serializers.CharField(allow_null=True)
        request_id = serializers.CharField(allow_blank=True)

        class Meta:
            ref_name = "AuditEntry"

    @extend_schema(operation_id="audit_list", responses=page_of(Output))
    def get(self, request: Request) -> Response:
        asked = {
            name: request.query_params[name]
            for name in ("action", "target", "actor")
            if name in request.query_params
        }
        rows = self.scope.audit().filter(**asked)
        return pagination.page(request, rows, name="audit", output=self.Output)
