"""Deliveries: lists, one of them, its attempts; and commands for one or many of them."""

from __future__ import annotations

import time
from typing import Any, ClassVar, Final

from django.db import connection
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from hub.api import fields, moments, pagination, searching
from hub.api.idempotency import idempotent
from hub.api.schema import page_of
from hub.api.views import delivery_fields
from hub.api.views.base import HubView
from hub.api.views.delivery_fields import (
    REASONS,
    STATUS,
    AttemptOutput,
    CommandOutput,
    Detail,
    Output,
    show,
    show_attempt,
    show_command,
    states_of,
)
from hub.api.views.event_fields import TYPE, asked_type, event_id
from hub.core import ids
from hub.core.clock import utcnow
from hub.delivery import selectors
from hub.delivery.states import State
from hub.eventlog import selectors as eventlog
from hub.insights import finding, search
from hub.insights.search_terms import Term
from hub.routing import services
from hub.subscriptions.patterns import BadPattern, validate_pattern
from hub.tenants import refusals
from hub.tenants.scoping import Scope

WAIT_S: Final = 2.0
_LOOK_EVERY_S: Final = 0.03


class DeliveriesView(HubView):
    """By their events, the newest accepted first, or by their last attempts, the latest first; `order` says which.

    By attempts if only deliveries that were tried can be meant (ended or retrying states, a code, an attempt above 0, a
    latency, headers); of named subscriptions or consumers only if they must have failed as well. By events otherwise, and always
    if an event, a subject or open states alone are asked for. `since` and `until` are compared with the same moment. A page may
    be short, or even empty, and yet not the last: `has_more` tells. What waited without an attempt when its subscription was
    deleted is no longer listed.
    """

    scopes: ClassVar = {"GET": "deliveries:read"}
    query: ClassVar = {
        "GET": (
            *pagination.PARAMETERS,
            searching.parameter("status:failed type:order.* since:24h"),
            STATUS,
            OpenApiParameter("subscription", str, description="To this one; also to a deleted one."),
            OpenApiParameter(
                "consumer", str, description="To the subscriptions of this one, by con_ id or uid."
            ),
            OpenApiParameter("event", str, description="Of this one."),
            TYPE,
            *moments.parameters("those"),
        )
    }

    @extend_schema(operation_id="deliveries_list", responses=searching.answer_of(Output))
    def get(self, request: Request) -> Response:
        given, terms = request.query_params, status_terms(request)
        if "subscription" in given:
            terms.append(searching.equal("sub", selectors.target(self.scope, uid=given["subscription"]).uid))
        if "consumer" in given:
            terms.append(searching.equal("consumer", self.scope.consumer(given["consumer"]).public_id))
        if "event" in given:
            terms.append(event_term(self.scope, given["event"]))
        if pattern := asked_type(request):
            terms.append(searching.of_type(pattern))
        return deliveries_page(request, self.scope, terms)


class DeliveryView(HubView):
    """One run of an event's delivery to one subscription."""

    scopes: ClassVar = {"GET": "deliveries:read"}

    @extend_schema(operation_id="deliveries_get", responses=Detail)
    def get(self, request: Request, delivery: str) -> Response:
        found = selectors.delivery(scope=self.scope, id=delivery)
        last = selectors.attempts(found, position=None, limit=1).rows
        return Response(
            {
                **show(found),
                "waits_since": found.waits_since if found.state is State.waiting else None,
                "last_attempt": show_attempt(last[0]) if last else None,
            }
        )


class AttemptsView(HubView):
    """The last one first; and the commands there were for the delivery, at most 100."""

    scopes: ClassVar = {"GET": "deliveries:read"}
    query: ClassVar = {"GET": pagination.PARAMETERS}

    class Page(page_of(AttemptOutput)):  # type: ignore[misc]
        commands = CommandOutput(many=True)

        class Meta:
            ref_name = "AttemptsPage"

    @extend_schema(operation_id="deliveries_attempts", responses=Page)
    def get(self, request: Request, delivery: str) -> Response:
        found = selectors.delivery(scope=self.scope, id=delivery)
        name = f"attempts:{delivery}"
        position = pagination.open_cursor(request, name=name, scope=self.scope)
        page = selectors.attempts(found, position=position, limit=pagination.limit_of(request))
        answer = pagination.answer(
            [show_attempt(row) for row in page.rows], page.next, name=name, scope=self.scope
        )
        answer.data["commands"] = [show_command(row) for row in services.commands_of(found)]
        return answer


class _CommandView(HubView):
    """Answers when the owner of the delivery has applied the command, or after 2 s while it is pending."""

    scopes: ClassVar = {"POST": "deliveries:write"}

    def submit(self, kind: str, delivery: str) -> Response:
        self.read(fields.Nothing)
        found = selectors.delivery(scope=self.scope, id=delivery)
        number = services.submit(scope=self.scope, delivery=found, kind=kind)
        asked = services.command(scope=self.scope, id=f"cmd_{number}")
        return Response(show_command(asked), status=202, headers={"Location": f"/api/v1/commands/{asked.id}"})

    def settle(self, response: Response) -> Response:
        """What became of the command by now. No transaction is open, and no connection is kept while it waits."""
        until = time.monotonic() + WAIT_S
        while True:
            found = services.command(scope=self.scope, id=response.data["command"])
            # Inside a transaction nobody else sees the command, so that waiting would be in vain.
            if found.applied_at is not None or connection.in_atomic_block or time.monotonic() > until:
                response.data = show_command(found)
                return response
            connection.close()
            time.sleep(_LOOK_EVERY_S)


class RetryView(_CommandView):
    """The next attempt at once, whatever the schedule says; if it fails, the schedule goes on as it was."""

    @extend_schema(operation_id="deliveries_retry", request=None, responses={202: CommandOutput})
    @idempotent
    def post(self, request: Request, delivery: str) -> Response:
        return self.submit("retry", delivery)


class CancelView(_CommandView):
    """No further attempt."""

    @extend_schema(operation_id="deliveries_cancel", request=None, responses={202: CommandOutput})
    @idempotent
    def post(self, request: Request, delivery: str) -> Response:
        return self.submit("cancel", delivery)


class RequeueView(_CommandView):
    """A new run of a delivery that has ended, with a schedule of its own."""

    @extend_schema(operation_id="deliveries_requeue", request=None, responses={202: CommandOutput})
    @idempotent
    def post(self, request: Request, delivery: str) -> Response:
        return self.submit("requeue", delivery)


class Bulk(serializers.Serializer[None]):
    queued = serializers.IntegerField(help_text="How many deliveries a command was made for.")
    truncated = serializers.BooleanField(help_text="There are more: send the request again.")

    class Meta:
        ref_name = "BulkCommands"


class BulkRequeueView(HubView):
    """A new run for each dead letter that fits and has had none since, those that died first first."""

    scopes: ClassVar = {"POST": "deliveries:write"}

    class Input(fields.Strict):
        subscription = fields.Text(required=False, max_length=100)
        type = fields.Text(required=False, max_length=128, validators=[fields.pattern(
            r"^(\*|[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*(\.\*)?)\Z", "is no type and no pattern")])  # fmt: skip
        reason = fields.Choice(REASONS, required=False)
        since = fields.Text(
            required=False,
            validators=[fields.pattern(moments.PATTERN, "is no moment")],
            help_text=f"Died at or after it. {moments.HINT}",
        )
        until = fields.Text(
            required=False,
            validators=[fields.pattern(moments.PATTERN, "is no moment")],
            help_text=f"Died before it. {moments.HINT}",
        )
        limit = fields.Whole(required=False, min_value=1, max_value=services.MOST)

        class Meta:
            ref_name = "RequeueMany"

    @extend_schema(operation_id="deliveries_requeue_many", request=Input, responses={202: Bulk})
    @idempotent
    def post(self, request: Request) -> Response:
        given, now = self.read(self.Input), utcnow()
        for name in {"since", "until"} & given.keys():
            try:
                given[name] = moments.parse(given[name], now=now)
            except moments.BadMoment as error:
                raise refusals.invalid([(name, str(error))]) from None
        if "type" in given:
            try:
                validate_pattern(given["type"])
            except BadPattern as error:
                raise refusals.invalid([("type", str(error))]) from None
        return bulk_answer(services.requeue_dead(scope=self.scope, **given))


class BulkCancelView(HubView):
    """Ends what a subscription still has before it."""

    scopes: ClassVar = {"POST": "deliveries:write"}

    class Input(fields.Strict):
        subscription = fields.Text(max_length=100)
        status: Any = fields.Items(
            child=fields.Choice([str(state) for state in services.CANCELLABLE]),
            required=False,
            min_length=1,
            unique=True,
            help_text="Left out: all of these.",
        )
        limit = fields.Whole(required=False, min_value=1, max_value=services.MOST)

        class Meta:
            ref_name = "CancelMany"

    @extend_schema(operation_id="deliveries_cancel_many", request=Input, responses={202: Bulk})
    @idempotent
    def post(self, request: Request) -> Response:
        given = self.read(self.Input)
        if "status" in given:
            given["states"] = tuple(State(word) for word in given.pop("status"))
        return bulk_answer(services.cancel_open(scope=self.scope, **given))


class CommandView(HubView):
    """One command and what became of it."""

    scopes: ClassVar = {"GET": "deliveries:read"}

    @extend_schema(operation_id="commands_get", responses=CommandOutput)
    def get(self, request: Request, command: str) -> Response:
        return Response(show_command(services.command(scope=self.scope, id=command)))


def bulk_answer(made: services.Bulk) -> Response:
    return Response({"queued": made.queued, "truncated": made.truncated}, status=202)


def status_terms(request: Request) -> list[Term]:
    """What the `status` parameter asks for."""
    states = states_of(request)
    return [] if states is None else [searching.equal("status", *sorted(states))]


def event_term(scope: Scope, text: str) -> Term:
    """Of this event of the scope, or a 404."""
    found = eventlog.event(scope=scope, id=event_id(text), data=False)
    return searching.equal("id", ids.encode("evt", found.id))


def deliveries_page(request: Request, scope: Scope, terms: list[Term]) -> Response:
    """One page of those that answer to the search, if there is one, and to `terms`."""
    query = searching.asked(request, search.parse, more=terms, now=utcnow())
    return searching.answer(
        request, query, find=finding.deliveries, name="deliveries", scope=scope, show=delivery_fields.show
    )
