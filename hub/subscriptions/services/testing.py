"""What only subscriptions of a test environment may do: pretend, and deliver to a sink. Never asks the network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hub.sinks import addresses
from hub.sinks.selectors import has_token
from hub.subscriptions.simulation import check_simulate
from hub.tenants.models import Environment
from hub.tenants.scoping import Scope


def problems(scope: Scope, fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is wrong with `simulate`, and with a `url` that names a sink of this hub."""
    simulate = fields.get("simulate")
    for message in check_simulate(simulate):
        yield "simulate", message
    if simulate is not None and scope.environment().kind != Environment.Kind.TEST:
        yield "simulate", "is for environments of kind test; in a live one the endpoint itself has to answer"
    url = fields.get("url")
    if isinstance(url, str) and addresses.is_sink(url) and not has_token(scope, addresses.token_of(url)):
        yield "url", "is that of no sink of this environment; make one with POST /api/v1/sinks"
