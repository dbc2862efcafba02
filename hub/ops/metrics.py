"""`/metrics` for Prometheus: ingest processes, engines, and the tables. Only for this machine, or with
METRICS_TOKEN.

Every pages process gives the same figures, so one is to be scraped.
"""

from __future__ import annotations

import ipaddress
from hmac import compare_digest

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from hub.core import ids
from hub.core.problems import CONTENT_TYPE as PROBLEM
from hub.core.problems import problem
from hub.ops import exposition
from hub.ops.health import Kept
from hub.ops.measures import measure

KEPT_S = 1.0
# Whoever comes through a proxy on this machine has its address, and must not have its rights.
_FORWARDED = ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via")
_kept = Kept(measure, seconds=KEPT_S)


def may_read(*, token: str, authorization: str, address: str, forwarded: bool) -> bool:
    """With a token set, it alone decides. Without one: only a direct caller from a loopback address."""
    if token:
        return compare_digest(authorization.encode(), f"Bearer {token}".encode())
    try:
        return not forwarded and ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    allowed = may_read(
        token=settings.ENV.get("METRICS_TOKEN", ""),
        authorization=request.headers.get("Authorization", ""),
        address=request.META.get("REMOTE_ADDR", ""),
        forwarded=any(name in request.headers for name in _FORWARDED),
    )
    if not allowed:
        refusal = problem("forbidden", "Metrics are for this machine only, or for who knows METRICS_TOKEN.")
        return HttpResponse(refusal.json(ids.new_id("req")), status=refusal.status, content_type=PROBLEM)
    text = exposition.text(_kept.get())
    return HttpResponse(text, content_type=exposition.CONTENT_TYPE, headers={"Cache-Control": "no-store"})
