"""The few HTML pages that stand in for a console: home, the API's documentation, and what a problem's code
means.
"""

from __future__ import annotations

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from hub.core.problems import CODES

CLI = settings.BASE_DIR / "clients" / "cli" / "trunkline.py"


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    return render(request, "home.html")


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    return render(request, "api_docs.html")


@require_safe
def cli(request: HttpRequest) -> HttpResponse:
    """The one-file client, as it stands in clients/cli."""
    return HttpResponse(CLI.read_bytes(), content_type="text/x-python; charset=utf-8")


@require_safe
def problem(request: HttpRequest, code: str) -> HttpResponse:
    """Where a problem's `type` leads."""
    if code not in CODES:
        raise Http404
    status, title = CODES[code]
    return render(request, "problem.html", {"code": code, "status": status, "title": title})
