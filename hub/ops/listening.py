"""What `manage.py listen` does with its options, and how it shows a request. Pure: no socket, no terminal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from hub.ops.receiver import Act, Behaviour, Received

SHOWN_BYTES = 16_384
EXCLUSIVE = ("rate_limit", "hang", "reset", "slow")


class BadOptions(ValueError):
    """Options that don't go together; the message says which."""


def behaviour_of(options: Mapping[str, Any]) -> Behaviour:
    """From --fail, --fail-first, --rate-limit, --hang, --reset, --slow; at most one way of misbehaving."""
    chosen = [name for name in EXCLUSIVE if options.get(name)]
    failing = options.get("fail") is not None or options.get("fail_first") is not None
    if len(chosen) + failing > 1:
        names = [f"--{name.replace('_', '-')}" for name in chosen] + ["--fail"] * failing
        raise BadOptions(f"Choose one of {' and '.join(names)}: a request can be treated in one way only.")
    if failing:
        status = options.get("fail") or 500
        if not 200 <= status <= 599:
            raise BadOptions(f"--fail takes a status from 200 to 599, not {status}.")
        return Behaviour.failing(status, first=options.get("fail_first"))
    if not chosen:
        return Behaviour()
    if chosen == ["rate_limit"]:
        return Behaviour.rate_limiting(options["rate_limit"])
    acts = {"hang": Act.hang, "reset": Act.reset_after_reading, "slow": Act.slow_body}
    return Behaviour(act=acts[chosen[0]])


def printable(text: str) -> str:
    """What a sender wrote can't move the cursor or colour the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def line(received: Received) -> str:
    """Time, event type, webhook-id, attempt, what its signature is worth, and what it was answered."""
    at = datetime.fromtimestamp(received.at, UTC).astimezone().strftime("%H:%M:%S.%f")[:-3]
    signature = "signature verified" if received.verified else received.problem
    attempt = f"attempt {received.attempt}" if received.attempt else received.method
    parts = [at, received.type or received.path, received.webhook_id or "no webhook-id", attempt, signature]
    return printable("  ".join(parts)) + f"  → {received.answered}"


def body(received: Received) -> str:
    """The body as text, its first 16 KiB, line by line."""
    text = received.body[:SHOWN_BYTES].decode(errors="replace")
    lines = [f"    {printable(part)}" for part in text.splitlines()]
    left = len(received.body) - SHOWN_BYTES
    return "\n".join([*lines, f"    … and {left:,} bytes more"] if left > 0 else lines)


def refusal(status: int, document: Any) -> str:
    """The sentence of a problem document, with its single errors."""
    if not isinstance(document, dict):
        return f"HTTP {status}"
    told = [str(document.get("detail") or document.get("title") or f"HTTP {status}")]
    for error in document.get("errors", ()):
        where = error.get("pointer") or error.get("parameter") or ""
        told.append(f"{where}: {error.get('detail', '')}".strip(": "))
    return printable(" ".join(told))


def patterns_of(texts: list[str]) -> list[str]:
    """--types, comma separated or given several times."""
    found = [part.strip() for text in texts for part in text.split(",") if part.strip()]
    return found or ["*"]
