"""What a subscription's fields may hold, and which of its states may follow which: rules and their sentences.

It never stores anything, and leaves the URL to `core.addresses`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final

from hub.subscriptions.patterns import BadPattern, validate_pattern

DAY_S: Final = 86_400
DEFAULT_RETRY_SCHEDULE_S: Final = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
# The default schedule takes up to 3.1 days; the rest is for what waits behind a pause or an open breaker.
DEFAULT_MAX_AGE_S: Final = 7 * DAY_S
DEFAULT_PARALLELISM: Final = 32
DEFAULT_TIMEOUT_S: Final = 15
DISABLE_AFTER_FAILING_S: Final = 5 * DAY_S

MAX_PATTERNS: Final = 100
MAX_HEADERS: Final = 32
MAX_HEADER_BYTES: Final = 4_096
MAX_HEADER_NAME: Final = 100
MAX_CHANNELS: Final = 16
MAX_RETRIES: Final = 20

Problem = tuple[str, str]

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# Latin-1 without its two ranges of control characters.
_HEADER_VALUE = re.compile(r"[\x20-\x7e\xa0-\xff]*")
_CHANNEL = re.compile(r"[A-Za-z0-9_.:-]{1,64}")

_HUB_SETS_IT: Final = "the hub sets it itself"
_ONE_CONNECTION: Final = "it is about a single connection, which is the hub's to manage"
REFUSED_HEADERS: Final[dict[str, str]] = {
    "host": "it is taken from the URL",
    "content-length": "it is counted from the body",
    "content-type": "the body is always application/json",
    "content-encoding": "the body is sent as it was signed",
    "authorization": "set the endpoint's authentication instead, which keeps it sealed",
    "expect": "the hub sends the body at once",
    "traceparent": _HUB_SETS_IT,
    "tracestate": _HUB_SETS_IT,
} | dict.fromkeys(
    (
        *("connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"),
        *("proxy-connection", "proxy-authenticate", "proxy-authorization"),
    ),
    _ONE_CONNECTION,
)
REFUSED_PREFIXES: Final = ("webhook-", "trunkline-")


class SubscriptionState(StrEnum):
    active = "active"
    paused = "paused"
    disabled = "disabled"


class StateReason(StrEnum):
    asked = "asked"
    kill_switch = "kill-switch"
    gone = "gone"
    failing = "failing"


_DISABLING: Final = frozenset({StateReason.asked, StateReason.gone, StateReason.failing})
# What the hub disabled only a person enables. An attempt still in flight can disable a paused one.
STATE_CHANGES: Final[dict[tuple[SubscriptionState, SubscriptionState], frozenset[StateReason]]] = {
    (SubscriptionState.active, SubscriptionState.paused): frozenset(
        {StateReason.asked, StateReason.kill_switch}
    ),
    (SubscriptionState.active, SubscriptionState.disabled): _DISABLING,
    (SubscriptionState.paused, SubscriptionState.active): frozenset({StateReason.asked}),
    (SubscriptionState.paused, SubscriptionState.disabled): _DISABLING,
    (SubscriptionState.disabled, SubscriptionState.active): frozenset({StateReason.asked}),
    (SubscriptionState.disabled, SubscriptionState.paused): frozenset({StateReason.asked}),
}


def problems(fields: Mapping[str, object]) -> list[Problem]:
    """All that is wrong with these fields, as (field, message). Fields without a rule are not judged."""
    return [
        (name, message) for name, value in fields.items() if name in CHECKS for message in CHECKS[name](value)
    ]


def state_problems(
    *, old: SubscriptionState, new: SubscriptionState, reason: StateReason = StateReason.asked
) -> list[Problem]:
    """Why `old` may not become `new` for this reason; nothing to say if it may, or if it is that already."""
    if old == new or reason in STATE_CHANGES[old, new]:
        return []
    possible = ", ".join(sorted(STATE_CHANGES[old, new]))
    return [("state", f"cannot go from {old} to {new} because of {reason!s}; possible reasons: {possible}")]


def check_patterns(value: object) -> list[str]:
    if not isinstance(value, list | tuple) or not 1 <= len(value) <= MAX_PATTERNS:
        return [f"must be a list of 1 to {MAX_PATTERNS} patterns, such as order.created, order.* or *"]
    found = []
    for pattern in value:
        try:
            validate_pattern(pattern)
        except BadPattern as bad:
            found.append(str(bad))
    return found


def check_headers(value: object) -> list[str]:
    if not isinstance(value, Mapping):
        return ["must be an object of header names and values"]
    found = []
    if len(value) > MAX_HEADERS:
        found.append(f"has {len(value)} headers; at most {MAX_HEADERS} are allowed")
    seen: set[str] = set()
    size = 0
    for name, text in value.items():
        if not isinstance(name, str) or not _TOKEN.fullmatch(name) or len(name) > MAX_HEADER_NAME:
            found.append(f"{name!r} is no header name; use 1 to {MAX_HEADER_NAME} letters, digits and -")
            continue
        if refusal := _refusal(name.lower()):
            found.append(f"{name} cannot be set: {refusal}")
        if name.lower() in seen:
            found.append(f"{name} is there twice; names differ in more than upper and lower case")
        seen.add(name.lower())
        if not isinstance(text, str) or not _HEADER_VALUE.fullmatch(text) or text != text.strip(" \xa0"):
            # Without the value: it may be a secret.
            found.append(
                f"{name} has a value that no header can carry; use printable Latin-1 without outer spaces"
            )
            continue
        size += len(name) + len(text)
    if size > MAX_HEADER_BYTES:
        found.append(f"has {size} bytes of names and values; at most {MAX_HEADER_BYTES} are allowed")
    return found


def _refusal(name: str) -> str:
    if name.startswith(REFUSED_PREFIXES):
        return _HUB_SETS_IT
    return REFUSED_HEADERS.get(name, "")


def check_channels(value: object) -> list[str]:
    if not isinstance(value, list | tuple | set | frozenset) or len(value) > MAX_CHANNELS:
        return [f"must be a list of at most {MAX_CHANNELS} channels"]
    return [
        f"{channel!r} is no channel; use 1 to 64 letters, digits, _ . : or -"
        for channel in value
        if not isinstance(channel, str) or not _CHANNEL.fullmatch(channel)
    ]


def check_retry_schedule(value: object) -> list[str]:
    """None = the default one."""
    if value is None:
        return []
    if not isinstance(value, list | tuple) or len(value) > MAX_RETRIES:
        return [f"must be a list of at most {MAX_RETRIES} waits in seconds; an empty one means no retries"]
    return [
        f"step {number} {message}"
        for number, step in enumerate(value, start=1)
        for message in _whole(1, 7 * DAY_S)(step)
    ]


def check_ordering(value: object) -> list[str]:
    return [] if value in ("none", "subject") else ["must be none or subject"]


def check_state(value: object) -> list[str]:
    return [] if value in tuple(SubscriptionState) else ["must be active, paused or disabled"]


def check_rate_limit(value: object) -> list[str]:
    """None = no limit."""
    if value is None:
        return []
    # bool is an int to Python; NaN compares as outside of everything.
    if isinstance(value, int | float) and not isinstance(value, bool) and 0.1 <= value <= 10_000:
        return []
    return ["must be a number between 0.1 and 10000 a second, or null for no limit"]


def check_rate_burst(value: object) -> list[str]:
    """None = what a second allows."""
    return [] if value is None else _whole(1, 10_000)(value)


def _whole(least: int, most: int) -> Callable[[object], list[str]]:
    def check(value: object) -> list[str]:
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return []
        return [f"must be a whole number between {least} and {most}"]

    return check


CHECKS: Final[dict[str, Callable[[object], list[str]]]] = {
    "patterns": check_patterns,
    "headers": check_headers,
    "channels": check_channels,
    "rate_limit": check_rate_limit,
    "rate_burst": check_rate_burst,
    "parallelism": _whole(1, 256),
    "timeout_s": _whole(1, 60),
    "max_age_s": _whole(60, 14 * DAY_S),
    "retry_schedule": check_retry_schedule,
    "ordering": check_ordering,
    "state": check_state,
    "overlap_s": _whole(0, 7 * DAY_S),
}
