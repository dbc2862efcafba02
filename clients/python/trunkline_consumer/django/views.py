"""A view that gets verified deliveries, each of them once. It is not for asynchronous views."""

from __future__ import annotations

from collections.abc import Iterable
from functools import wraps
from typing import Callable, Optional

from django.db import DEFAULT_DB_ALIAS, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from trunkline_consumer.delivery import Delivery
from trunkline_consumer.django.storing import once
from trunkline_consumer.errors import VerificationError
from trunkline_consumer.verify import TOLERANCE_S, Verifier

__all__ = ["webhook"]

Receiver = Callable[[HttpRequest, Delivery], Optional[HttpResponseBase]]
View = Callable[[HttpRequest], HttpResponseBase]


def webhook(
    secrets: str | Iterable[str], *, using: str = DEFAULT_DB_ALIAS, tolerance_s: int = TOLERANCE_S
) -> Callable[[Receiver], View]:
    """`@webhook(settings.TRUNKLINE_SECRETS)` over `def view(request, delivery)`, which may return nothing: 204.

    The view runs in the transaction of `once`, so its work in `using` is done once. If it raises, or returns a status
    of 400 or more, nothing is kept and the hub tries again. A repeat is answered 204 without it, and what does not
    verify 401. Raises BadSecret.
    """
    verifier = Verifier(secrets, tolerance_s=tolerance_s)

    def decorate(receiver: Receiver) -> View:
        @csrf_exempt
        @require_POST
        @wraps(receiver)
        def view(request: HttpRequest) -> HttpResponseBase:
            try:
                delivery = verifier.verify(request.body, request.META)
            except VerificationError as refusal:
                return HttpResponse(f"{refusal}\n", status=401, content_type="text/plain")
            with once(delivery, using) as first:
                answer = receiver(request, delivery) if first else None
                if answer is not None and answer.status_code >= 400:
                    transaction.set_rollback(True, using=using)
            return HttpResponse(status=204) if answer is None else answer

        return view

    return decorate
