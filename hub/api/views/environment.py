"""The environment of the key."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from hub.api import fields
from hub.api.views.base import HubView
from hub.tenants.models import Capture, Environment
from hub.tenants.services import tenants


class EnvironmentView(HubView):
    """`paused` is the environment's kill switch: events are taken and wait, nothing is sent."""

    scopes: ClassVar = {"GET": "environment:read", "PATCH": "environment:write"}
    environment_wide = True
    versioned = True

    class Input(fields.Strict):
        name = fields.Line(required=False, allow_blank=False, max_length=100)
        paused = fields.Flag(required=False)
        capture = fields.Choice(Capture.choices, required=False)

        class Meta:
            ref_name = "EnvironmentInput"

    class Output(serializers.Serializer[Environment]):
        id = serializers.CharField(source="uid")
        name = serializers.CharField()
        kind = serializers.ChoiceField(Environment.Kind.choices)
        paused = serializers.BooleanField()
        capture = serializers.ChoiceField(Capture.choices, help_text="Which answers of endpoints are kept.")
        version = serializers.IntegerField()
        created_at = serializers.DateTimeField()
        tenant: Any = serializers.DictField(source="tenant_of", child=serializers.CharField())

        class Meta:
            ref_name = "Environment"

    @extend_schema(operation_id="environment_get", responses=Output)
    def get(self, request: Request) -> Response:
        return self._show(self.scope.environment())

    @extend_schema(operation_id="environment_update", request=Input, responses=Output)
    def patch(self, request: Request) -> Response:
        changes = self.read(self.Input, partial=True)
        return self._show(
            tenants.update_environment(
                scope=self.scope, changes=changes, expected_version=self.expected_version
            )
        )

    def _show(self, environment: Environment) -> Response:
        environment.tenant_of = {"id": environment.tenant.uid, "name": environment.tenant.name}
        return self.answer(self.Output(environment).data, version=environment.version)
