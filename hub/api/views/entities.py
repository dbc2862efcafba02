"""Entities: what the log tells of a subject (a business key): its state at any moment, its timeline, the latest of each type."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from hub.api import moments, pagination
from hub.api.views import event_fields
from hub.api.views.base import HubView
from hub.api.views.statistics import EVENT_TYPE
from hub.core import ids
from hub.core.clock import utcnow
from hub.insights import subjects
from hub.insights.changes import Changes
from hub.insights.entity import State
from hub.insights.subjects import Subject
from hub.subscriptions.patterns import BadPattern, validate_type

_SUBJECT = OpenApiParameter(
    "subject", {"type": "string", "minLength": 1, "maxLength": 256}, required=True,
    description="The business key, as events carry it in `subject`.",
)  # fmt: skip
_CONSUMER = OpenApiParameter(
    "consumer", str, description="Among the events addressed to this one; otherwise, to none."
)


class StateOutput(serializers.Serializer[State]):
    exists = serializers.BooleanField()
    value = serializers.JSONField(help_text="null: there is nothing.")
    seq = serializers.IntegerField(help_text="Offset of the last event that told of it; -1: none did.")
    at = serializers.DateTimeField(allow_null=True, help_text="When that was accepted.")
    event = serializers.CharField(allow_null=True)

    class Meta:
        ref_name = "EntityState"


def _show(state: State, events: dict[int, bytes]) -> dict[str, Any]:
    return {
        "exists": state.exists, "value": state.value, "seq": state.seq, "at": state.at,
        "event": ids.encode("evt", events[state.seq]) if state.seq in events else None,
    }  # fmt: skip


def _changes(changes: Changes) -> dict[str, Any]:
    return {
        "listed": [{"kind": change.kind, "pointer": change.pointer} for change in changes.listed],
        "more": changes.more,
    }


class _EntityView(HubView):
    scopes: ClassVar = {"GET": "events:read"}

    def _subject(self, request: Request) -> Subject:
        text = request.query_params.get("subject", "")
        if not 1 <= len(text) <= 256:
            raise pagination.bad_parameter("subject", "is needed, with 1 to 256 characters")
        return Subject(text, self._consumer(request))

    def _consumer(self, request: Request) -> int | None:
        if "consumer" in request.query_params:
            return self.scope.consumer(request.query_params["consumer"]).id
        return self.scope.consumer_id


class EntityStateView(_EntityView):
    """The state of a subject, now or at a moment, folded from the events of types that have a projection."""

    query: ClassVar = {
        "GET": (
            _SUBJECT, _CONSUMER,
            OpenApiParameter("at", {"type": "string", "pattern": moments.PATTERN.replace(r"\Z", "$")},
                             description=f"As of then; now, if it isn't given. {moments.HINT}"),
        )
    }  # fmt: skip

    class Output(serializers.Serializer[None]):
        subject = serializers.CharField()
        state = StateOutput()
        latest: Any = event_fields.Output(
            many=True, help_text="The latest event of each type, the newest first."
        )

        class Meta:
            ref_name = "Entity"

    @extend_schema(operation_id="entities_state", responses=Output)
    def get(self, request: Request) -> Response:
        subject, now = self._subject(request), utcnow()
        at = moments.asked(request, "at", now=now) or now
        known = subjects.state(scope=self.scope, subject=subject, at=at)
        latest = subjects.latest_of(scope=self.scope, subject=subject)
        return Response({
            "subject": subject.name, "state": _show(known.state, known.ids),
            "latest": [event_fields.show(event) for event in latest],
        })  # fmt: skip


class EntityTimelineView(_EntityView):
    """What each event changed, the newest first. Events of types without a projection are left out."""

    query: ClassVar = {"GET": (*pagination.PARAMETERS, _SUBJECT, _CONSUMER)}

    class Output(serializers.Serializer[None]):
        data: Any = serializers.ListField(
            child=serializers.DictField(), help_text="`event`, `type`, `changes`, and the `state` after it."
        )
        next_cursor = serializers.CharField(allow_null=True)
        has_more = serializers.BooleanField()

        class Meta:
            ref_name = "EntityTimeline"

    @extend_schema(operation_id="entities_timeline", responses=Output)
    def get(self, request: Request) -> Response:
        subject = self._subject(request)
        name = f"timeline:{subject.consumer}:{subject.name}"
        position = pagination.open_cursor(request, name=name, scope=self.scope)
        before = None if position is None else (position[0], bytes.fromhex(position[1]))
        found, events, after = subjects.entries(
            scope=self.scope, subject=subject, before=before, limit=pagination.limit_of(request)
        )
        rows = [
            {"event": ids.encode("evt", events[entry.event.seq]), "type": entry.event.type, "at": entry.event.at,
             "changes": _changes(entry.changes), "state": _show(entry.state, events)}
            for entry in found
        ]  # fmt: skip
        return pagination.answer(
            rows, None if after is None else [after[0], after[1].hex()], name=name, scope=self.scope
        )


class EntitiesView(_EntityView):
    """The compacted view of a type that has a projection: the latest event of each subject, by subject.

    `offsets` of the first page say from where to go on with the log of each shard, once all pages are read: nothing is missed.
    """

    query: ClassVar = {
        "GET": (
            *pagination.PARAMETERS, _CONSUMER,
            OpenApiParameter("type", EVENT_TYPE, required=True, description="An event type."),
        )
    }  # fmt: skip

    class Output(serializers.Serializer[None]):
        data: Any = serializers.ListField(
            child=serializers.DictField(),
            help_text="`subject`, `shard`, `seq`, and its `event`; null: kept no more.",
        )
        offsets: Any = serializers.DictField(child=serializers.IntegerField())
        next_cursor = serializers.CharField(allow_null=True)
        has_more = serializers.BooleanField()

        class Meta:
            ref_name = "Entities"

    @extend_schema(operation_id="entities_list", responses=Output)
    def get(self, request: Request) -> Response:
        try:
            type = validate_type(request.query_params.get("type", ""))
        except BadPattern as error:
            raise pagination.bad_parameter("type", str(error)) from None
        consumer = self._consumer(request)
        name = f"entities:{consumer}:{type}"
        found, after, offsets = subjects.compacted(
            scope=self.scope, type=type, consumer=consumer, limit=pagination.limit_of(request),
            after=pagination.open_cursor(request, name=name, scope=self.scope),
        )  # fmt: skip
        rows = [
            {"subject": row.subject, "shard": row.shard, "seq": row.seq,
             "event": None if row.event is None else event_fields.show(row.event)}
            for row in found
        ]  # fmt: skip
        answer = pagination.answer(rows, after, name=name, scope=self.scope)
        answer.data = {
            **answer.data,
            "offsets": {str(shard): upto for shard, upto in sorted(offsets.items())},
        }
        return answer
