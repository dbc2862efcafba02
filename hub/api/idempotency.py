"""Idempotency-Key on POST (IETF draft): the change and its kept answer commit together.

Answers are sealed, since some carry a secret, and kept for 24 hours.
Refusals are not kept: they changed nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps
from hashlib import blake2b, sha256
from typing import Any, Final

import orjson
from django.db import connection, transaction
from rest_framework.request import Request
from rest_framework.response import Response

from hub.api.models import StoredAnswer
from hub.core.clock import utcnow
from hub.core.jsonbytes import dumps, loads
from hub.core.problems import ProblemError, problem
from hub.subscriptions.vault import keyring
from hub.tenants.scoping import Scope

KEPT: Final = timedelta(hours=24)
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_HEADERS = ("ETag", "Location")

Handler = Callable[..., Response]
Owner = tuple[int | None, int, str]
"""(environment, consumer or 0, key): whose answer it is."""


def idempotent(post: Handler) -> Handler:
    """Wrap a view's `post`: a key seen before gets the first answer instead of another change.

    If the view has a method `settle`, the answer passes through it when all is committed.
    """

    @wraps(post)
    def wrapper(view: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        response = act(view, request, *args, **kwargs)
        settle = getattr(view, "settle", None)
        return response if settle is None else settle(response)

    def act(view: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        key = request.headers.get("Idempotency-Key")
        if key is None:
            return post(view, request, *args, **kwargs)
        if not _KEY.fullmatch(key):
            raise ProblemError(
                problem(
                    "bad-request",
                    "Idempotency-Key must have 1 to 255 visible ASCII characters without spaces.",
                )
            )
        return _once(request, key, lambda: post(view, request, *args, **kwargs))

    wrapper.is_idempotent = True  # type: ignore[attr-defined]
    return wrapper


def trim(*, now: datetime, limit: int = 5000) -> int:
    """Forget answers older than 24 hours, at most `limit` of them; how many went."""
    old = StoredAnswer.objects.filter(at__lt=now - KEPT).order_by("at").values("pk")[:limit]
    return int(StoredAnswer.objects.filter(pk__in=old).delete()[0])


def lock_number(owner: Owner) -> int:
    """The advisory lock that is held while the first request with a key is at work."""
    return int.from_bytes(blake2b(answer_context(owner), digest_size=8).digest(), "big", signed=True)


def _once(request: Request, key: str, act: Callable[[], Response]) -> Response:
    scope: Scope = request.auth
    owner = (scope.environment_id, scope.consumer_id or 0, key)
    digest = _digest(request)
    with transaction.atomic():
        _lock(owner)
        stored = StoredAnswer.objects.filter(
            environment_id=owner[0], consumer_id=owner[1], key=key, at__gt=utcnow() - KEPT
        ).first()
        if stored is not None:
            return _replay(stored, digest, owner)
        response = act()
        StoredAnswer.objects.update_or_create(
            environment_id=owner[0],
            consumer_id=owner[1],
            key=key,
            defaults={
                "request_hash": digest,
                "status": response.status_code,
                "body": keyring().seal(dumps(response.data), context=answer_context(owner)).encode("ascii"),
                "headers": {name: response[name] for name in _HEADERS if name in response},
                "at": utcnow(),
            },
        )
    return response


def _lock(owner: Owner) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [lock_number(owner)])
        if not cursor.fetchone()[0]:
            raise ProblemError(
                problem(
                    "idempotency-in-flight",
                    "The first request with this key has not been answered yet. Try again in a second.",
                    headers={"Retry-After": "1"},
                )
            )


def _replay(stored: StoredAnswer, digest: bytes, owner: Owner) -> Response:
    if bytes(stored.request_hash) != digest:
        raise ProblemError(
            problem(
                "idempotency-mismatch", "This Idempotency-Key was used for another request. Use a new key."
            )
        )
    body = keyring().open(bytes(stored.body).decode("ascii"), context=answer_context(owner))
    return Response(
        loads(body), status=stored.status, headers={**stored.headers, "Idempotent-Replayed": "true"}
    )


def _digest(request: Request) -> bytes:
    body = orjson.dumps(request.data, option=orjson.OPT_SORT_KEYS)
    return sha256(f"{request.method} {request.path}\n".encode() + body).digest()


def answer_context(owner: Owner) -> bytes:
    """What the sealed body of a kept answer is bound to."""
    return f"answer:{owner[0]}:{owner[1]}:{owner[2]}".encode()
