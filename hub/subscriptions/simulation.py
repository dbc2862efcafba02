"""What a subscription of a test environment may be told to pretend: the rule for `simulate`, and its stored form.

It decides nothing about an attempt and never asks which kind of environment it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

MOST_LATENCY_MS: Final = 60_000
MOST_RETRY_AFTER_S: Final = 86_400
DEFAULTS: Final[Mapping[str, Any]] = {
    "status": None,
    "latency_ms": 0,
    "reset": False,
    "slow_body": False,
    "probability": 1.0,
    "first": None,
    "retry_after_s": None,
}
MISBEHAVIOURS: Final = ("status", "reset", "slow_body")


def check_simulate(value: object) -> list[str]:
    """What is wrong with it; None = nothing is simulated."""
    if value is None:
        return []
    if not isinstance(value, Mapping):
        return [f"must be null or an object with some of {', '.join(DEFAULTS)}"]
    found = [
        f"{name} is not known; use some of {', '.join(DEFAULTS)}" for name in value if name not in DEFAULTS
    ]
    found += [
        message for name, check in _CHECKS.items() if name in value for message in check(name, value[name])
    ]
    return found or _contradictions(stored(value))


def stored(value: Mapping[str, Any]) -> dict[str, Any]:
    """Every member, those left out with their default."""
    return {**DEFAULTS, **value, "probability": float(value.get("probability", 1.0))}


def _contradictions(value: Mapping[str, Any]) -> list[str]:
    kinds = [name for name in MISBEHAVIOURS if value[name] not in (None, False)]
    if len(kinds) > 1:
        return [f"takes one kind of misbehaviour at a time, and not {' and '.join(kinds)}"]
    if not kinds and not value["latency_ms"]:
        return ["must say what to do: a status, reset, slow_body or latency_ms; null turns it off"]
    if value["retry_after_s"] is not None and value["status"] not in (429, 503):
        return ["retry_after_s goes with the statuses 429 and 503 alone, on which it is heeded"]
    return []


def _whole(least: int, most: int, *, null: bool = False) -> Callable[[str, object], list[str]]:
    def check(name: str, value: object) -> list[str]:
        if value is None and null:
            return []
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return []
        return [f"{name} must be a whole number between {least} and {most}{' or null' if null else ''}"]

    return check


def _flag(name: str, value: object) -> list[str]:
    return [] if isinstance(value, bool) else [f"{name} must be true or false"]


def _share(name: str, value: object) -> list[str]:
    # NaN compares as outside of everything.
    if isinstance(value, int | float) and not isinstance(value, bool) and 0.0 <= value <= 1.0:
        return []
    return [f"{name} must be a number between 0 and 1"]


_CHECKS: Final[Mapping[str, Callable[[str, object], list[str]]]] = {
    "status": _whole(100, 599, null=True),
    "latency_ms": _whole(0, MOST_LATENCY_MS),
    "reset": _flag,
    "slow_body": _flag,
    "probability": _share,
    "first": _whole(1, 1_000, null=True),
    "retry_after_s": _whole(0, MOST_RETRY_AFTER_S, null=True),
}
