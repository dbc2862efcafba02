"""What every view of the API shares: the order of its checks, unknown parameters, ETags and request ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django.http import HttpResponseBase
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from hub.api import etags, request_ids
from hub.api.renderers import JSONRenderer
from hub.core.problems import ProblemError, closest, problem
from hub.tenants.scoping import Scope


class HubView(APIView):
    """A resource.

    `scopes`: the scope each method needs. `query`: the query parameters each method takes.
    `environment_wide`: closed to keys of one consumer.
    `versioned`: has an ETag, so takes If-None-Match and If-Match.
    `elsewhere`: methods of this address that are answered before Django.
    `keyless`: its POST takes no Idempotency-Key, since what it does ends by itself.
    """

    renderer_classes = (JSONRenderer,)
    http_method_names: ClassVar[list[str]] = ["get", "post", "patch", "delete", "head"]
    scopes: ClassVar[Mapping[str, str]] = {}
    query: ClassVar[Mapping[str, Sequence[OpenApiParameter]]] = {}
    environment_wide: ClassVar[bool] = False
    versioned: ClassVar[bool] = False
    elsewhere: ClassVar[Sequence[str]] = ()
    keyless: ClassVar[bool] = False

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        method = request.method.lower()
        if method not in self.http_method_names or not hasattr(self, method):
            self.http_method_not_allowed(request)
        self.perform_authentication(request)
        self.check_permissions(request)
        self._check_query(request)
        self.format_kwarg = None
        request.accepted_renderer, request.accepted_media_type = self.perform_content_negotiation(request)

    def finalize_response(
        self, request: Request, response: HttpResponseBase, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        response = super().finalize_response(request, response, *args, **kwargs)
        response[request_ids.HEADER] = request_ids.of(request._request)
        response.setdefault("Cache-Control", "no-store" if request.method == "POST" else "private, no-cache")
        return response

    @property
    def default_response_headers(self) -> dict[str, str]:
        headers: dict[str, str] = super().default_response_headers
        own = () if not self.scopes else headers["Allow"].split(", ")
        return headers | {"Allow": ", ".join([*own, *self.elsewhere])}

    @property
    def scope(self) -> Scope:
        scope: Scope = self.request.auth
        return scope

    @property
    def expected_version(self) -> int | None:
        """The version that If-Match names; None if there is no such header."""
        return etags.expected_version(self.request.headers.get("If-Match"))

    def read(self, serializer: type[serializers.Serializer[Any]], *, partial: bool = False) -> dict[str, Any]:
        """The body's members, only those that were sent."""
        form = serializer(data=self.request.data, partial=partial)
        form.is_valid(raise_exception=True)
        return dict(form.validated_data)

    def answer(
        self, data: Any, *, version: int, status: int = 200, extra: str = "", location: str = ""
    ) -> Response:
        """A resource with its ETag, or 304 if the caller has it already."""
        etag = etags.make(version, extra)
        headers = {"ETag": etag} | ({"Location": location} if location else {})
        if self.request.method in ("GET", "HEAD") and etags.is_known(
            self.request.headers.get("If-None-Match"), etag
        ):
            return Response(status=304, headers=headers)
        return Response(data, status=status, headers=headers)

    def _check_query(self, request: Request) -> None:
        method = "GET" if request.method == "HEAD" else request.method
        known = [parameter.name for parameter in self.query.get(method, ())]
        for name, values in request.query_params.lists():
            if name not in known:
                meant = closest(name, known)
                hint = f"did you mean {meant}?" if meant else f"known are {', '.join(known) or 'none'}"
                errors = [{"parameter": name[:100], "detail": hint}]
                detail = f"The parameter {name[:100]!r} is not known here: {hint}"
                raise ProblemError(problem("unknown-parameter", detail, errors=errors))
            if len(values) > 1 or "\x00" in values[0]:
                errors = [{"parameter": name, "detail": "give it once, as text"}]
                raise ProblemError(problem("bad-request", f"{name}: give it once, as text.", errors=errors))
