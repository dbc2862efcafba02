"""Sinks: test endpoints of the hub's own, and what they caught. In environments of kind test only."""

from __future__ import annotations

from base64 import b64encode
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
from hub.sinks import policy, selectors, services
from hub.sinks.addresses import url_of
from hub.sinks.models import Caught, Sink


class Respond(fields.Strict):
    """What the sink answers; left out: 200 at once, without a body."""

    status = fields.Whole(required=False, min_value=200, max_value=599)
    body = fields.Text(
        required=False, allow_blank=True, max_length=policy.MOST_BODY, help_text="As text/plain."
    )
    headers = fields.Headers(
        required=False, help_text="Retry-After, and names that begin with X-; at most ten."
    )
    latency_ms = fields.Whole(required=False, min_value=0, max_value=policy.MOST_LATENCY_MS)

    class Meta:
        ref_name = "Respond"


class Input(fields.Strict):
    name = fields.Line(required=False)
    respond = Respond(required=False)

    class Meta:
        ref_name = "SinkInput"


class Output(serializers.Serializer[Sink]):
    id = serializers.CharField(source="uid")
    name = serializers.CharField(allow_blank=True)
    url = serializers.SerializerMethodField(help_text="Whoever knows it may send there.")
    respond = Respond()
    version = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    class Meta:
        ref_name = "Sink"

    def get_url(self, row: Sink) -> str:
        return url_of(row.token)


class CaughtHeader(serializers.Serializer[Any]):
    name = serializers.CharField()
    value = serializers.CharField(allow_blank=True)

    class Meta:
        ref_name = "CaughtHeader"


class CaughtOutput(serializers.Serializer[Any]):
    id = serializers.CharField()
    at = serializers.DateTimeField()
    via = serializers.ChoiceField(
        [("delivery", "delivery"), ("http", "http")],
        help_text="delivery: given by the hub without a network; http: it came over HTTP, from anybody.",
    )
    method = serializers.CharField()
    query = serializers.CharField(allow_blank=True)
    headers = CaughtHeader(many=True, help_text="Credentials and custom headers by their names alone.")
    body = serializers.CharField(allow_null=True, help_text="If it is UTF-8 text.")
    body_base64 = serializers.CharField(allow_null=True, help_text="If it is not.")
    size = serializers.IntegerField(help_text="Of the whole body.")
    truncated = serializers.BooleanField(
        help_text="More came than is kept: 64 KiB of body, 16 KiB of headers."
    )
    webhook_id = serializers.CharField(allow_null=True)
    event = serializers.CharField(allow_null=True, help_text="The event that webhook_id names.")
    signature = serializers.ChoiceField(
        [("verified", "verified"), ("wrong", "wrong")],
        allow_null=True,
        help_text="By the subscription that webhook_id names; null: none of this environment.",
    )

    class Meta:
        ref_name = "CaughtRequest"


class SinksView(HubView):
    """All of the environment; at most ten."""

    scopes: ClassVar = {"GET": "subscriptions:read", "POST": "subscriptions:write"}
    query: ClassVar = {"GET": pagination.PARAMETERS}
    environment_wide = True

    @extend_schema(operation_id="sinks_list", responses=page_of(Output))
    def get(self, request: Request) -> Response:
        return pagination.page(request, selectors.sinks(self.scope), name="sinks", output=Output)

    @extend_schema(
        operation_id="sinks_create",
        request=Input,
        responses={201: Output},
        description="A test endpoint: subscribe its url, and read what it caught. In environments of kind test only.",
    )
    @idempotent
    def post(self, request: Request) -> Response:
        sink = services.create(scope=self.scope, **self.read(Input))
        return self.answer(
            Output(sink).data, version=sink.version, status=201, location=f"/api/v1/sinks/{sink.uid}"
        )


class SinkView(HubView):
    """One of them."""

    scopes: ClassVar = {
        "GET": "subscriptions:read",
        "PATCH": "subscriptions:write",
        "DELETE": "subscriptions:write",
    }
    environment_wide = True
    versioned = True

    @extend_schema(operation_id="sinks_get", responses=Output)
    def get(self, request: Request, sink: str) -> Response:
        return self._show(selectors.sink(self.scope, sink))

    @extend_schema(
        operation_id="sinks_update",
        request=Input,
        responses=Output,
        description="Every member replaces the old value as a whole. In force with the next request.",
    )
    def patch(self, request: Request, sink: str) -> Response:
        changes = self.read(Input, partial=True)
        return self._show(
            services.update(
                scope=self.scope, uid=sink, changes=changes, expected_version=self.expected_version
            )
        )

    @extend_schema(
        operation_id="sinks_delete",
        responses={204: None},
        description="It goes with what it caught; its url answers 404 from now on.",
    )
    def delete(self, request: Request, sink: str) -> Response:
        services.delete(scope=self.scope, uid=sink, expected_version=self.expected_version)
        return Response(status=204)

    def _show(self, sink: Sink) -> Response:
        return self.answer(Output(sink).data, version=sink.version)


class SinkRequestsView(HubView):
    """What it caught: the last 1,000 requests, for 24 hours."""

    scopes: ClassVar = {"GET": "subscriptions:read", "DELETE": "subscriptions:write"}
    query: ClassVar = {"GET": pagination.PARAMETERS}
    environment_wide = True

    @extend_schema(operation_id="sinks_requests_list", responses=page_of(CaughtOutput))
    def get(self, request: Request, sink: str) -> Response:
        rows = selectors.requests(self.scope, sink)
        return pagination.page(request, rows, name=f"sink-requests:{sink}", output=_Shown)

    @extend_schema(
        operation_id="sinks_requests_delete", responses={204: None}, description="Forget them all."
    )
    def delete(self, request: Request, sink: str) -> Response:
        services.empty(scope=self.scope, uid=sink)
        return Response(status=204)


class _Shown(CaughtOutput):
    def to_representation(self, row: Caught) -> dict[str, Any]:
        body, text = bytes(row.body), _text(bytes(row.body), cut=row.truncated)
        shown: dict[str, Any] = super().to_representation(
            {
                "id": row.uid,
                "at": row.at,
                "via": row.via,
                "method": row.method,
                "query": row.query,
                "headers": [{"name": name, "value": value} for name, value in row.headers],
                "body": text,
                "body_base64": b64encode(body).decode("ascii") if text is None else None,
                "size": row.size,
                "truncated": row.truncated,
                "webhook_id": row.message_id or None,
                "event": ids.encode("evt", ids.parse_message_id(row.message_id)[0])
                if row.message_id
                else None,
                "signature": row.signature or None,
            }
        )
        return shown


def _text(body: bytes, *, cut: bool) -> str | None:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        # The end may have been cut in the middle of a character.
        return body[: error.start].decode() if cut and error.start >= len(body) - 3 else None
