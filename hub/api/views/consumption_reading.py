"""Reading from a position, and what becomes of the lease that a read gives."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from hub.api.idempotency import idempotent
from hub.api.longpoll import turn_of
from hub.api.renderers import Raw
from hub.api.views.base import HubView
from hub.api.views.lease_fields import (
    Ack,
    Acked,
    Batch,
    Extend,
    Extended,
    Read,
    Release,
    Released,
    time_text,
)
from hub.consumption import body, services
from hub.consumption.waiting import Interest
from hub.core import ids


class _LeaseView(HubView):
    scopes: ClassVar = {"POST": "events:consume"}


class ReadView(_LeaseView):
    """The next events of shards that no other reader has leased, in the order of their offsets, leased to this one.

    What is not acknowledged before the lease expires is handed out again, in the same order, to whoever reads next.
    """

    keyless = True

    @extend_schema(operation_id="positions_read", request=Read, responses=Batch)
    def post(self, request: Request, position: str) -> Response:
        asked = self.read(Read)
        found = services.read(scope=self.scope, ref=position, limit=asked["limit"], lease_s=asked["lease"])
        turn = turn_of(request)
        if found.lease is not None:
            turn.give_back = partial(services.release, scope=self.scope, ref=position, lease=found.lease)
        elif not found.skipped and turn.waited_s < asked["wait"]:
            turn.interest = Interest(found.position.id, found.position.filter)
            turn.wait_s, turn.at_once = asked["wait"], found.more
        return Response({
            "lease": None if found.lease is None else ids.encode("lse", found.lease),
            "expires_at": None if found.until is None else time_text(found.until),
            "events": Raw(body.events(found.events)),
            "has_more": found.more,
            "skipped_to": {str(shard): offset for shard, offset in found.skipped.items()},
        })  # fmt: skip


class AckView(_LeaseView):
    """Moves the position past what a lease handed out. 409 if the lease is over: nothing was moved, so read again."""

    @extend_schema(operation_id="positions_ack", request=Ack, responses=Acked)
    @idempotent
    def post(self, request: Request, position: str) -> Response:
        asked = self.read(Ack)
        done = services.ack(
            scope=self.scope, ref=position, lease=ids.decode("lse", asked["lease"]), upto=asked.get("upto")
        )
        offsets = {str(shard): offset for shard, offset in sorted(done.offsets.items())}
        return Response({"status": done.status, "offsets": offsets})


class ExtendView(_LeaseView):
    """Prolongs a lease whose events take longer."""

    @extend_schema(operation_id="positions_extend", request=Extend, responses=Extended)
    @idempotent
    def post(self, request: Request, position: str) -> Response:
        asked = self.read(Extend)
        lease = ids.decode("lse", asked["lease"])
        until = services.extend(scope=self.scope, ref=position, lease=lease, lease_s=asked["seconds"])
        return Response({"expires_at": time_text(until)})


class ReleaseView(_LeaseView):
    """Gives back what was not acknowledged, at once."""

    @extend_schema(operation_id="positions_release", request=Release, responses=Released)
    @idempotent
    def post(self, request: Request, position: str) -> Response:
        lease = ids.decode("lse", self.read(Release)["lease"])
        return Response({"status": services.release(scope=self.scope, ref=position, lease=lease)})
