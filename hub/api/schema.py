"""The OpenAPI 3.1 document: what views say, and what all of them share (problems, headers, the key).

Made once a process.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import Any, Literal

import orjson
from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response
from django.views import View
from drf_spectacular import openapi
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from hub.api import ingest_document
from hub.api.fields import Items, Strict
from hub.core.problems import CODES, CONTENT_TYPE

_HEADERS = {
    "X-Request-Id": {"schema": {"type": "string"}, "description": "Quote it when you report a problem."}
}
_ETAG = {
    "ETag": {"schema": {"type": "string"}, "description": "The version, for If-Match and If-None-Match."}
}


def _header(name: str, description: str, **schema: Any) -> OpenApiParameter:
    return OpenApiParameter(
        name, {"type": "string", **schema}, location=OpenApiParameter.HEADER, description=description
    )


_IF_MATCH = _header(
    "If-Match",
    'Refuse with 412 unless it is at this version, such as `"v3"`.',
    pattern='^"[!#-~]*"$',
)
_IF_NONE_MATCH = _header("If-None-Match", "Answer 304 if it is at this version still.")
_IDEMPOTENCY = _header(
    "Idempotency-Key",
    "Sent again within 24 hours with the same body, the request gets the first answer and changes nothing.",
    pattern="^[!-~]{1,255}$",
)


class Fault(serializers.Serializer[None]):
    """One thing to be corrected, in the body (`pointer`) or the query (`parameter`)."""

    pointer = serializers.CharField(required=False, allow_blank=True)
    parameter = serializers.CharField(required=False)
    detail = serializers.CharField()
    start = serializers.IntegerField(
        required=False, help_text="Of a search: the first character concerned, in code points from 0."
    )
    end = serializers.IntegerField(required=False, help_text="The first one behind them.")
    suggestion = serializers.CharField(required=False, help_text="What was probably meant.")

    class Meta:
        ref_name = "Fault"


class Problem(serializers.Serializer[None]):
    """RFC 9457."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.ChoiceField(sorted(CODES))
    request_id = serializers.CharField()
    errors: Any = Fault(many=True, required=False)


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """API keys as a security scheme."""

    target_class = "hub.api.authentication.KeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "description": "An API key, tl_live_… or tl_test_…"}


class AutoSchema(openapi.AutoSchema):
    """Adds to each operation what HubView does for each."""

    def get_override_parameters(self) -> list[Any]:
        view = self.view
        parameters = list(getattr(view, "query", {}).get(self.method, ()))
        if self.method == "POST" and not getattr(view, "keyless", False):
            parameters.append(_IDEMPOTENCY)
        if getattr(view, "versioned", False):
            parameters.append(_IF_NONE_MATCH if self.method == "GET" else _IF_MATCH)
        return parameters

    def get_operation(self, *args: Any, **kwargs: Any) -> Any:
        operation = super().get_operation(*args, **kwargs)
        scope = getattr(self.view, "scopes", {}).get(self.method)
        if operation is not None and scope is not None:
            note = f"Scope: `{scope}`."
            if self.view.environment_wide:
                note += " Not for keys of one consumer."
            operation["description"] = "\n\n".join(filter(None, (operation.get("description"), note)))
        return operation

    def _get_response_bodies(self, direction: Literal["request", "response"] = "response") -> Any:
        bodies = super()._get_response_bodies(direction)
        versioned = getattr(self.view, "versioned", False)
        for body in bodies.values():
            body["headers"] = {**_HEADERS, **(_ETAG if versioned else {})}
        if versioned and self.method == "GET":
            bodies["304"] = {"description": "It is at that version still.", "headers": {**_HEADERS, **_ETAG}}
        reference = self.resolve_serializer(Problem, "response").ref
        for status in self._problem_statuses():
            bodies[status] = {
                "description": ", ".join(title for code, title in CODES.values() if status == str(code))
                or "Any other problem",
                "headers": _HEADERS,
                "content": {CONTENT_TYPE: {"schema": reference}},
            }
        return bodies

    def _problem_statuses(self) -> list[str]:
        found = ["400", "401", "403"]
        if "{" in self.path or "consumer" in str(self.get_override_parameters()):
            found.append("404")
        if self.method in ("POST", "PATCH"):
            found += ["404", "409", "413", "415", "422"]
        if getattr(self.view, "versioned", False) and self.method != "GET":
            found.append("412")
        return [*sorted(set(found)), "default"]

    def _map_basic_serializer(self, serializer: Any, direction: str) -> Any:
        schema = super()._map_basic_serializer(serializer, direction)  # type: ignore[no-untyped-call]
        if serializer.__class__.__doc__ is None:
            # Else it would show the description of a base class.
            schema.pop("description", None)
        if direction == "request" and isinstance(serializer, Strict):
            schema["additionalProperties"] = False
        return schema

    def _map_serializer_field(self, field: Any, direction: str, bypass_extensions: bool = False) -> Any:
        schema = super()._map_serializer_field(field, direction, bypass_extensions)  # type: ignore[no-untyped-call]
        if isinstance(field, Items) and field.unique:
            schema["uniqueItems"] = True
        return schema


def page_of(item: type[serializers.Serializer[Any]], **more: Any) -> type[serializers.Serializer[Any]]:
    """The shape of a list's answer; `more` are fields beyond those of every list."""
    name = f"{item.Meta.ref_name}Page"  # type: ignore[attr-defined]
    members = {
        "data": item(many=True),
        "next_cursor": serializers.CharField(allow_null=True),
        "has_more": serializers.BooleanField(),
        **more,
        "Meta": type("Meta", (), {"ref_name": name}),
        "__doc__": "",
    }
    return type(name, (serializers.Serializer,), members)


@lru_cache(maxsize=1)
def document() -> bytes:
    """The document as JSON."""
    schema = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    ingest_document.add(schema, headers=_HEADERS)
    return orjson.dumps(schema, default=str)


class DocumentView(View):
    """Serves the document to anybody; it holds nothing of a tenant's."""

    def get(self, request: HttpRequest) -> HttpResponse:
        etag = f'"{blake2b(document(), digest_size=8).hexdigest()}"'
        response = HttpResponse(document(), content_type="application/json", headers={"ETag": etag})
        return get_conditional_response(request, etag=etag, response=response) or response
