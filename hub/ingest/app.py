"""The ASGI application of the hot paths: POST /api/v1/events and /api/v1/events/batch. Everything else is another's.

It is served by the hub's web process (hub.serve), of which there may be many.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import orjson
import psycopg
from django.conf import settings

from hub.core import ids
from hub.core.problems import CONTENT_TYPE, ProblemError, overloaded, problem
from hub.ingest import cloudevents, parse
from hub.ingest.intake import Intake
from hub.ingest.limits import reconcile_forever
from hub.ingest.status import Status

logger = logging.getLogger(__name__)

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

EVENTS = "/api/v1/events"
BATCH = "/api/v1/events/batch"
LIMITS = {EVENTS: parse.EVENT_BYTES + 16_384, BATCH: parse.BATCH_BYTES}
PATHS = frozenset(LIMITS)
NO_PAGES = ProblemError(
    overloaded(
        "The process that serves pages is not there at the moment; ask again. Events are taken meanwhile.",
        retry_after_s=1,
    )
)
NO_INGEST = ProblemError(
    overloaded(
        "The process that takes events is not there at the moment; nothing was stored. Send it again.",
        retry_after_s=1,
    )
)
_JSON = (b"content-type", b"application/json")
_REPLAYED = (b"idempotent-replayed", b"true")


class IngestApp:
    """Bare ASGI, for speed: no middleware and no routing stand before the commit."""

    def __init__(self) -> None:
        self.intake = Intake(most_pending=settings.ENV["INGEST_PENDING"])
        self._tasks: list[asyncio.Task[None]] = []

    async def startup(self) -> None:
        # What was loaded at the start lives as long as the process; collecting it again and again costs a tenth.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        self.intake.batcher.start()
        self._tasks = [
            asyncio.create_task(reconcile_forever(settings.REDIS_URL, self.intake.directory.buckets())),
            asyncio.create_task(self._note_use_forever()),
            asyncio.create_task(Status(self.intake).tell_forever()),
        ]

    async def shutdown(self) -> None:
        for task in self._tasks:
            task.cancel()
        # A client library may swallow a cancellation; the stop is bounded all the same.
        await asyncio.wait(self._tasks, timeout=2)
        await self.intake.batcher.stop()
        await self.intake.directory.close()

    async def _note_use_forever(self) -> None:
        while True:
            await asyncio.sleep(15)
            try:
                await self.intake.directory.note_use()
            except psycopg.Error as error:
                logger.warning("last use of keys was not noted: %s", str(error).strip())

    async def answer(self, path: str, query: bytes, headers: dict[bytes, bytes], body: bytes) -> Answer:
        """What a request gets, whatever server read it. Never raises."""
        try:
            if query:
                raise ProblemError(problem("unknown-parameter", "This address takes no query parameters."))
            intake = self.intake
            key = await intake.authenticate(headers)
            if path == BATCH:
                cloud = headers.get(b"content-type", b"").startswith(cloudevents.BATCHED)
                items = parse.decode_batch(body, bare=cloud)
                intake.admit(key, len(items))
                status, answer = _itemised(await intake.batch(key, headers, items, cloud=cloud))
                replayed = False
            else:
                intake.admit(key, 1)
                accepted = await intake.one(key, headers, body)
                status, answer = 202, b'{"id":"%s"}' % ids.encode("evt", accepted.id).encode()
                replayed = accepted.replayed
        except ProblemError as error:
            return self._refusal(error, headers)
        except Exception:
            logger.exception("taking an event failed")
            return self._refusal(
                ProblemError(problem("internal", "Nothing is known to be stored; send it again.")), headers
            )
        head = [_JSON, key.policy, (b"ratelimit", key.bucket.field().encode())]
        if replayed:
            head.append(_REPLAYED)
        return Answer(status, head, answer)

    def _refusal(self, error: ProblemError, headers: dict[bytes, bytes]) -> Answer:
        self.intake.refused += 1
        return refusal(error, headers.get(b"x-request-id"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Through ASGI: what the protocol left to the server (chunked bodies, other framings)."""
        headers = dict(scope["headers"])
        try:
            body = await _read(receive, headers, LIMITS[scope["path"]])
        except ClientGone:
            return
        except ProblemError as error:
            answer = self._refusal(error, headers)
        else:
            answer = await self.answer(scope["path"], scope["query_string"], headers, body)
        head = [*answer.head, (b"content-length", b"%d" % len(answer.body))]
        await send({"type": "http.response.start", "status": answer.status, "headers": head})
        await send({"type": "http.response.body", "body": answer.body})


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers without content-length, body."""

    status: int
    head: list[tuple[bytes, bytes]]
    body: bytes


class ClientGone(Exception):
    """The client hung up before its request was complete; nothing was stored."""


async def _read(receive: Receive, headers: dict[bytes, bytes], limit: int) -> bytes:
    length = headers.get(b"content-length", b"0")
    if length.isdigit() and int(length) > limit:
        raise _too_large(limit)
    message = await receive()
    body: bytes = message.get("body", b"")
    if message["type"] != "http.request":
        raise ClientGone
    if not message.get("more_body"):
        if len(body) > limit:
            raise _too_large(limit)
        return body
    parts, size = [body], len(body)
    while message.get("more_body"):
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGone
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        parts.append(part)
    return b"".join(parts)


def _too_large(limit: int) -> ProblemError:
    return ProblemError(
        problem("payload-too-large", f"This request may have {limit} bytes; send smaller events.")
    )


def _itemised(outcomes: list[Any]) -> tuple[int, bytes]:
    items: list[dict[str, Any]] = []
    accepted = 0
    for index, outcome in enumerate(outcomes):
        if isinstance(outcome, ProblemError):
            items.append(parse.refusal(outcome.problem, index=index))
        else:
            accepted += 1
            item: dict[str, Any] = {"status": 202, "id": ids.encode("evt", outcome.id)}
            if outcome.replayed:
                item["replayed"] = True
            items.append(item)
    answer = orjson.dumps({"accepted": accepted, "refused": len(items) - accepted, "events": items})
    return (202 if accepted else 422), answer


def refusal(error: ProblemError, request_id: bytes | None) -> Answer:
    """The problem document."""
    given = (request_id or b"").decode("latin-1")
    name = given if 0 < len(given) <= 128 and given.isascii() and given.isprintable() else ids.new_id("req")
    head = [(b"content-type", CONTENT_TYPE.encode()), (b"x-request-id", name.encode())]
    head += [(key.lower().encode(), value.encode("latin-1")) for key, value in error.problem.headers.items()]
    return Answer(error.problem.status, head, error.problem.json(name))


async def lifespan(app: IngestApp, receive: Receive, send: Send) -> None:
    """Start and stop with the server."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await app.startup()
            await send({"type": "lifespan.startup.complete"})
        else:
            with contextlib.suppress(asyncio.CancelledError):
                await app.shutdown()
            await send({"type": "lifespan.shutdown.complete"})
            return
