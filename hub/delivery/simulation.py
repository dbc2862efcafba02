"""Whether an attempt is answered by the simulator, and with what: a pure decision.

It never waits, sends nothing and draws no random number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from hub.core.http.reply import READ_TIMEOUT, RESET

MARK: Final = "simulated: "


@dataclass(frozen=True, slots=True)
class Pretence:
    """What is to look as if the endpoint had done it, after `wait_s`; `first_s`: when the head of the answer came."""

    wait_s: float
    status: int
    error: str
    detail: str
    first_s: float = 0.0
    retry_after_s: int | None = None


def decide(simulate: Mapping[str, Any], *, made: int, timeout_s: float, random: float) -> Pretence | None:
    """None: the request goes out as ever. `made`: attempts of this delivery so far; `random` is in [0, 1).

    `simulate` is in the form of `hub.subscriptions.simulation.stored`.
    """
    if random >= simulate["probability"]:
        return None
    if simulate["first"] is not None and made >= simulate["first"]:
        return None
    latency_s = simulate["latency_ms"] / 1000
    if latency_s >= timeout_s:
        return Pretence(timeout_s, 0, READ_TIMEOUT, f"{MARK}no answer within {timeout_s:g} s")
    if simulate["reset"]:
        return Pretence(latency_s, 0, RESET, f"{MARK}the connection was closed without an answer")
    if simulate["slow_body"]:
        detail = f"{MARK}the answer began, but did not end within {timeout_s:g} s"
        return Pretence(timeout_s, 200, READ_TIMEOUT, detail, first_s=latency_s)
    status = simulate["status"] or 200
    detail = f"{MARK}{status}" + (f" after {simulate['latency_ms']} ms" if latency_s else "")
    return Pretence(latency_s, status, "", detail, latency_s, simulate["retry_after_s"])
