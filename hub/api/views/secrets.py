"""The signing secrets of a subscription.

Their values leave by rotate and reveal only, and reveal is audited.
"""

from __future__ import annotations

from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from hub.api import fields
from hub.api.idempotency import idempotent
from hub.api.views.base import HubView
from hub.core.clock import utcnow
from hub.subscriptions import policy, selectors, services
from hub.subscriptions.models import Secret


class Output(serializers.Serializer[Secret]):
    kind = serializers.ChoiceField(Secret.Kind.choices)
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(
        allow_null=True, help_text="Until when it signs beside newer ones."
    )

    class Meta:
        ref_name = "Secret"


class WithValue(Output):
    value = serializers.CharField(help_text="whsec_ of hmac, the public whpk_ key of ed25519.")

    class Meta:
        ref_name = "SecretWithValue"


class SecretsView(HubView):
    """Those that sign now, newest first, without their values."""

    scopes: ClassVar = {"GET": "subscriptions:read"}

    class Listed(serializers.Serializer[None]):
        data = Output(many=True)

        class Meta:
            ref_name = "Secrets"

    @extend_schema(operation_id="secrets_list", responses=Listed)
    def get(self, request: Request, subscription: str) -> Response:
        rows = selectors.live_secrets(selectors.subscription(self.scope, subscription))
        return Response({"data": Output(rows, many=True).data})


class RotateView(HubView):
    """A new secret signs at once; the old ones go on beside it for the overlap."""

    scopes: ClassVar = {"POST": "subscriptions:write"}
    versioned = True

    class Input(fields.Strict):
        overlap_s = fields.Whole(required=False, min_value=0, max_value=7 * policy.DAY_S)
        kind = fields.Choice(Secret.Kind.choices, required=False)
        secret = fields.Text(required=False, max_length=200)

        class Meta:
            ref_name = "RotateSecret"

    @extend_schema(operation_id="secrets_rotate", request=Input, responses={201: WithValue})
    @idempotent
    def post(self, request: Request, subscription: str) -> Response:
        row, shown = services.rotate_secret(
            scope=self.scope,
            uid=subscription,
            now=utcnow(),
            expected_version=self.expected_version,
            **self.read(self.Input),
        )
        return self.answer(WithValue(shown).data, version=row.version, status=201)


class RevealView(HubView):
    """The values of the secrets that sign now. Who asked is kept in the audit."""

    scopes: ClassVar = {"POST": "subscriptions:write"}

    class Revealed(serializers.Serializer[None]):
        data = WithValue(many=True)

        class Meta:
            ref_name = "RevealedSecrets"

    @extend_schema(operation_id="secrets_reveal", request=None, responses=Revealed)
    @idempotent
    def post(self, request: Request, subscription: str) -> Response:
        self.read(fields.Nothing)
        shown = services.reveal_secret(scope=self.scope, uid=subscription)
        return Response({"data": WithValue(shown, many=True).data})
