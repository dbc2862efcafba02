"""Every error of the API as an RFC 9457 problem.

What is unforeseen is logged and says nothing but its request id.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.views import defaults
from rest_framework import exceptions

from hub.api import request_ids
from hub.core.problems import CODES, CONTENT_TYPE, Problem, ProblemError, overloaded, problem

log = logging.getLogger(__name__)

_NOT_FOUND = "There is nothing at this address."
_INTERNAL = "The request could not be carried out. Try again; if it happens again, report the request id."


def answer(problem: Problem, request: HttpRequest) -> HttpResponse:
    """The problem as a response."""
    request_id = request_ids.of(request)
    response = HttpResponse(problem.json(request_id), content_type=CONTENT_TYPE, status=problem.status)
    for name, value in problem.headers.items():
        response[name] = value
    response[request_ids.HEADER] = request_id
    response["Cache-Control"] = "no-store"
    return response


def handler(error: Exception, context: Mapping[str, Any]) -> HttpResponse:
    """DRF's EXCEPTION_HANDLER."""
    return answer(to_problem(error), getattr(context["request"], "_request", context["request"]))


def to_problem(error: Exception) -> Problem:
    """What the caller is told about an exception."""
    match error:
        case ProblemError():
            return error.problem
        case exceptions.ValidationError():
            errors = list(_flat(error.detail))
            detail = "; ".join(f"{e['pointer'][1:].replace('/', '.')}: {e['detail']}" for e in errors[:3])
            return problem("invalid", detail, errors=errors)
        case exceptions.NotAuthenticated() | exceptions.AuthenticationFailed():
            challenge = getattr(error, "auth_header", None) or "Bearer"
            return problem("unauthenticated", str(error.detail), headers={"WWW-Authenticate": challenge})
        case exceptions.PermissionDenied():
            return problem("forbidden", str(error.detail))
        case PermissionDenied():
            return problem("forbidden", "This is not allowed.")
        case Http404() | exceptions.NotFound():
            return problem("not-found", _NOT_FOUND)
        case exceptions.MethodNotAllowed():
            return problem(
                "method-not-allowed", "See the Allow header for the methods that are offered here."
            )
        case exceptions.NotAcceptable():
            return problem("not-acceptable", "This address answers with application/json only.")
        case exceptions.UnsupportedMediaType():
            return problem("unsupported-media-type", "Send the body with Content-Type: application/json.")
        case RequestDataTooBig():
            return problem("payload-too-large", "The body is larger than this address takes.")
        case OperationalError() | InterfaceError():
            log.exception("the database did not answer")
            return overloaded("The database can't be reached at the moment.", retry_after_s=2)
        case exceptions.APIException() if error.status_code < 500:
            return _other(error.status_code, str(error.detail))
    log.error("unforeseen error", exc_info=error)
    return problem("internal", _INTERNAL)


def handler400(request: HttpRequest, exception: Exception) -> HttpResponse:
    return answer(problem("bad-request", "The request can't be read."), request)


def handler403(request: HttpRequest, exception: Exception) -> HttpResponse:
    if _is_browser(request):
        return defaults.permission_denied(request, exception)
    return answer(problem("forbidden", "This is not allowed."), request)


def handler404(request: HttpRequest, exception: Exception) -> HttpResponse:
    if _is_browser(request):
        return defaults.page_not_found(request, exception)
    return answer(problem("not-found", _NOT_FOUND), request)


def handler500(request: HttpRequest) -> HttpResponse:
    return answer(problem("internal", _INTERNAL), request)


def _is_browser(request: HttpRequest) -> bool:
    return not request.path.startswith("/api/") and "text/html" in request.headers.get("Accept", "")


def _other(status: int, detail: str) -> Problem:
    code = next((code for code, (known, _) in CODES.items() if known == status), "bad-request")
    return problem(code, detail)


def _flat(detail: Any, pointer: str = "") -> Iterator[dict[str, str]]:
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            yield from _flat(inner, pointer if name == "non_field_errors" else f"{pointer}/{name}")
    elif isinstance(detail, Sequence) and not isinstance(detail, str):
        for inner in detail:
            yield from _flat(inner, pointer)
    else:
        yield {"pointer": pointer, "detail": str(detail)}
