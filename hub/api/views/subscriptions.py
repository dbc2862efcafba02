"""Subscriptions: which events go to which endpoint.

Secrets are shown on creation and by reveal, headers never.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from hub.api import fields, pagination
from hub.api.idempotency import idempotent
from hub.api.schema import page_of
from hub.api.views.base import HubView
from hub.api.views.subscription_fields import Created, Input, NewInput, Output
from hub.core.clock import utcnow
from hub.subscriptions import selectors, services
from hub.subscriptions.models import Subscription

_STATES = [str(state) for state in Subscription.State.values]


class SubscriptionsView(HubView):
    """All that the key can reach."""

    scopes: ClassVar = {"GET": "subscriptions:read", "POST": "subscriptions:write"}
    query: ClassVar = {
        "GET": (
            *pagination.PARAMETERS,
            OpenApiParameter("consumer", str, description="Only this consumer's, by con_ id or uid."),
            OpenApiParameter("state", str, enum=_STATES),
        )
    }

    @extend_schema(operation_id="subscriptions_list", responses=page_of(Output))
    def get(self, request: Request) -> Response:
        rows = selectors.subscriptions(self.scope)
        asked = request.query_params
        if "consumer" in asked:
            rows = rows.filter(consumer=self.scope.consumer(asked["consumer"]))
        if "state" in asked:
            if asked["state"] not in _STATES:
                raise pagination.bad_parameter("state", f"must be one of {', '.join(_STATES)}")
            rows = rows.filter(state=asked["state"])
        return pagination.page(request, rows, name="subscriptions", output=Output)

    @extend_schema(operation_id="subscriptions_create", request=NewInput, responses={201: Created})
    @idempotent
    def post(self, request: Request) -> Response:
        given = self.read(NewInput)
        special = {name: given.pop(name) for name in ("consumer", "secret_kind", "secret") if name in given}
        subscription, secret = services.create(scope=self.scope, fields=given, now=utcnow(), **special)
        return self.answer(
            {**Output(subscription).data, "secret": secret.value},
            version=subscription.version,
            status=201,
            location=f"/api/v1/subscriptions/{subscription.uid}",
        )


class SubscriptionView(HubView):
    """One of them."""

    scopes: ClassVar = {
        "GET": "subscriptions:read",
        "PATCH": "subscriptions:write",
        "DELETE": "subscriptions:write",
    }
    versioned = True

    @extend_schema(operation_id="subscriptions_get", responses=Output)
    def get(self, request: Request, subscription: str) -> Response:
        return self._show(selectors.subscription(self.scope, subscription))

    @extend_schema(
        operation_id="subscriptions_update",
        request=Input,
        responses=Output,
        description="Every member replaces the old value as a whole. In force with the next event.",
    )
    def patch(self, request: Request, subscription: str) -> Response:
        changes = self.read(Input, partial=True)
        return self._show(
            services.update(
                scope=self.scope,
                uid=subscription,
                fields=changes,
                expected_version=self.expected_version,
                now=utcnow(),
            )
        )

    @extend_schema(
        operation_id="subscriptions_delete",
        responses={204: None},
        description="Nothing more goes to it; what waits is cancelled.",
    )
    def delete(self, request: Request, subscription: str) -> Response:
        services.delete(scope=self.scope, uid=subscription, expected_version=self.expected_version)
        return Response(status=204)

    def _show(self, subscription: Subscription) -> Response:
        return self.answer(Output(subscription).data, version=subscription.version)


class _StateView(HubView):
    scopes: ClassVar = {"POST": "subscriptions:write"}
    versioned = True

    def change(self, act: Callable[..., Subscription], uid: str) -> Response:
        self.read(fields.Nothing)
        row = act(scope=self.scope, uid=uid, expected_version=self.expected_version)
        return self.answer(Output(row).data, version=row.version)


class PauseView(_StateView):
    """Events are still routed to it, and wait."""

    @extend_schema(operation_id="subscriptions_pause", request=None, responses=Output)
    @idempotent
    def post(self, request: Request, subscription: str) -> Response:
        return self.change(services.pause, subscription)


class ResumeView(_StateView):
    """A paused subscription sends again, what waited first."""

    @extend_schema(operation_id="subscriptions_resume", request=None, responses=Output)
    @idempotent
    def post(self, request: Request, subscription: str) -> Response:
        return self.change(services.resume, subscription)


class EnableView(_StateView):
    """A disabled subscription is routed to again, from the next event on."""

    @extend_schema(operation_id="subscriptions_enable", request=None, responses=Output)
    @idempotent
    def post(self, request: Request, subscription: str) -> Response:
        return self.change(services.enable, subscription)


class DisableView(_StateView):
    """No event is routed to it any more."""

    @extend_schema(operation_id="subscriptions_disable", request=None, responses=Output)
    @idempotent
    def post(self, request: Request, subscription: str) -> Response:
        return self.change(services.disable, subscription)
