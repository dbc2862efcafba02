"""API keys of the environment. The text of a key is in the answer that makes it, and nowhere else."""

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
from hub.core.clock import utcnow
from hub.tenants.models import ApiKey
from hub.tenants.roles import SCOPES
from hub.tenants.services import keys


class Input(fields.Strict):
    name = fields.Line(required=False)
    scopes = fields.Items(
        child=fields.Choice(SCOPES),
        min_length=1,
        unique=True,
        help_text="Never more than the key that asks has.",
    )
    rate_limit = fields.Whole(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=1_000_000,
        help_text="Requests a second; null: 10,000.",
    )
    expires_at = fields.Moment(required=False, allow_null=True)

    class Meta:
        ref_name = "KeyInput"


class NewInput(Input):
    consumer = fields.Text(
        required=False, max_length=128, help_text="con_ id or uid; binds the key to that consumer."
    )

    class Meta:
        ref_name = "NewKey"


class Output(serializers.Serializer[ApiKey]):
    id = serializers.CharField(source="uid")
    name = serializers.CharField(allow_blank=True)
    prefix = serializers.CharField(help_text="The beginning of the key, to recognise it by.")
    consumer = serializers.CharField(source="consumer.public_id", allow_null=True, default=None)
    scopes = serializers.ListField(child=serializers.ChoiceField(SCOPES))
    rate_limit = serializers.IntegerField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True, help_text="Accurate to a minute.")
    created_by = serializers.CharField()
    version = serializers.IntegerField()
    created_at = serializers.DateTimeField()

    class Meta:
        ref_name = "Key"


class Created(Output):
    key = serializers.CharField(help_text="Shown this once.")

    class Meta:
        ref_name = "CreatedKey"


class KeysView(HubView):
    """All that were not revoked."""

    scopes: ClassVar = {"GET": "keys:read", "POST": "keys:write"}
    environment_wide = True
    query: ClassVar = {
        "GET": (*pagination.PARAMETERS, OpenApiParameter("consumer", str, description="con_ id or uid."))
    }

    @extend_schema(operation_id="keys_list", responses=page_of(Output))
    def get(self, request: Request) -> Response:
        rows = self.scope.keys().select_related("consumer")
        if "consumer" in request.query_params:
            rows = rows.filter(consumer=self.scope.consumer(request.query_params["consumer"]))
        return pagination.page(request, rows, name="keys", output=Output)

    @extend_schema(operation_id="keys_create", request=NewInput, responses={201: Created})
    @idempotent
    def post(self, request: Request) -> Response:
        given = self.read(NewInput)
        name = given.pop("name", "")
        key, text = keys.create(scope=self.scope, now=utcnow(), name=name, **given)
        return self.answer(
            {**Output(key).data, "key": text},
            version=key.version,
            status=201,
            location=f"/api/v1/keys/{key.uid}",
        )


class KeyView(HubView):
    """One of them."""

    scopes: ClassVar = {"GET": "keys:read", "PATCH": "keys:write", "DELETE": "keys:write"}
    environment_wide = True
    versioned = True

    @extend_schema(operation_id="keys_get", responses=Output)
    def get(self, request: Request, key: str) -> Response:
        return self._show(self.scope.key(key))

    @extend_schema(operation_id="keys_update", request=Input, responses=Output)
    def patch(self, request: Request, key: str) -> Response:
        changes = self.read(Input, partial=True)
        return self._show(
            keys.update(
                scope=self.scope,
                uid=key,
                changes=changes,
                now=utcnow(),
                expected_version=self.expected_version,
            )
        )

    @extend_schema(
        operation_id="keys_revoke",
        responses={204: None},
        description="Refused from the next request on, everywhere.",
    )
    def delete(self, request: Request, key: str) -> Response:
        keys.revoke(scope=self.scope, uid=key, expected_version=self.expected_version)
        return Response(status=204)

    def _show(self, key: ApiKey) -> Response:
        seen = f"{key.last_used_at.timestamp():.0f}" if key.last_used_at else ""
        return self.answer(Output(key).data, version=key.version, extra=seen)
