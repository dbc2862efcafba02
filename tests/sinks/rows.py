"""Rows of sinks for tests of other packages."""

from __future__ import annotations

from hub.core.ids import new_id
from hub.sinks import policy, services
from hub.sinks.addresses import new_token
from hub.sinks.catching import Request
from hub.sinks.models import Caught, Sink
from hub.tenants.models import Environment


def used(environment: Environment) -> str:
    """A sink that caught something; made by hand, so that a live environment has one too."""
    sink = Sink.objects.create(
        uid=new_id("snk"), environment=environment, token=new_token(), respond=policy.stored({})
    )
    came = Request(sink.token, "http", "POST", "", (), b"caught")
    services.catch(came, environment=environment.id, signature="")
    return sink.uid


def all_of(environment: Environment) -> list[object]:
    """Sinks and what they caught."""
    found = Caught.objects.filter(sink__environment=environment).order_by("id").values()
    return [*Sink.objects.filter(environment=environment).order_by("id").values(), *found]
