"""The configuration of the key's environment: exported as a document, compared with one, and brought into line with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from hub.api import fields
from hub.api.idempotency import idempotent
from hub.api.views import consumers, projections, subscription_fields
from hub.api.views.base import HubView
from hub.api.views.environment import EnvironmentView
from hub.configuration import services
from hub.configuration.document import Change, digest
from hub.tenants import refusals


class Document(serializers.Serializer[None]):
    version = serializers.IntegerField()
    environment = fields.Object()
    consumers: Any = serializers.ListField(child=serializers.DictField())
    projections: Any = serializers.ListField(child=serializers.DictField())
    subscriptions: Any = serializers.ListField(
        child=serializers.DictField(), help_text="`sealed` names what is not in the document: set it by hand."
    )

    class Meta:
        ref_name = "Configuration"


class Input(fields.Strict):
    document = fields.Object(
        help_text="As the export gives it; sections and fields that it lacks stay as they are."
    )
    prune = fields.Flag(required=False, help_text="Delete what a section of the document does not have.")

    class Meta:
        ref_name = "ConfigurationInput"


class ApplyInput(Input):
    digest = fields.Text(
        required=False,
        max_length=64,
        help_text="Of the comparison that was looked at: refuse if it would be another now.",
    )

    class Meta:
        ref_name = "ConfigurationApply"


class Output(serializers.Serializer[Change]):
    changes: Any = serializers.ListField(
        child=serializers.DictField(), help_text="`op`, `section`, `key`, and `fields`: {name: [now, then]}."
    )
    digest = serializers.CharField(help_text="Of these changes.")

    class Meta:
        ref_name = "ConfigurationChanges"


_SHAPES: Final[Mapping[str, type[serializers.Serializer[Any]]]] = {
    "consumers": consumers.Input,
    "projections": projections.Input,
    "subscriptions": subscription_fields.NewInput,
}


def _in_shape(document: Any) -> Any:
    """The document, if what its items hold are the texts and numbers that they should be. Services judge their sense."""
    if not isinstance(document, Mapping):
        return document
    found = [*_wrong("environment", document.get("environment"), EnvironmentView.Input)]
    for section, shape in _SHAPES.items():
        items = document.get(section)
        for number, item in enumerate(items if isinstance(items, list) else ()):
            found += _wrong(f"{section}.{number}", item, shape)
    if found:
        raise refusals.invalid(found[:20])
    return document


def _wrong(where: str, item: Any, shape: type[serializers.Serializer[Any]]) -> list[tuple[str, str]]:
    if not isinstance(item, Mapping):
        return []
    known = {
        name: value
        for name, value in item.items()
        if name in shape().fields and (name, value) != ("consumer", None)
    }
    form = shape(data=known, partial=True)
    form.is_valid()
    return [(f"document.{where}.{name}", str(told)[:200]) for name, told in form.errors.items()]


class ConfigurationView(HubView):
    """Consumers, projections and subscriptions of the environment, without any secret."""

    scopes: ClassVar = {"GET": "environment:read"}
    environment_wide = True

    @extend_schema(operation_id="configuration_get", responses=Document)
    def get(self, request: Request) -> Response:
        return Response(services.export(self.scope))


class ConfigurationDiffView(HubView):
    """What applying a document would change. Changes nothing."""

    scopes: ClassVar = {"POST": "environment:read"}
    environment_wide = True

    @extend_schema(operation_id="configuration_diff", request=Input, responses=Output)
    @idempotent
    def post(self, request: Request) -> Response:
        given = self.read(Input)
        _in_shape(given["document"])
        changes, shown = services.compare(scope=self.scope, **given)
        return Response({"changes": [services.as_text(change) for change in changes], "digest": shown})


class ConfigurationApplyView(HubView):
    """Makes all of the changes or none; applied again, there are none. New subscriptions get new secrets."""

    scopes: ClassVar = {"POST": "environment:write"}
    environment_wide = True

    @extend_schema(operation_id="configuration_apply", request=ApplyInput, responses=Output)
    @idempotent
    def post(self, request: Request) -> Response:
        given = self.read(ApplyInput)
        expected = given.pop("digest", None)
        _in_shape(given["document"])
        changes = services.apply(scope=self.scope, expected=expected, **given)
        return Response(
            {"changes": [services.as_text(change) for change in changes], "digest": digest(changes)}
        )
