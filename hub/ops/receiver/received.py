"""One request as the receiver saw it, and whether its signature is to be trusted. It never answers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hub.core import signing


@dataclass(slots=True)
class Received:
    """`verified` None: there was no secret to check with; False: `problem` says why. `answered`: what it got,
    in words.
    """

    number: int
    at: float
    connection: int
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    verified: bool | None = None
    problem: str = ""
    answered: str = ""

    @property
    def webhook_id(self) -> str:
        return self.headers.get("webhook-id", "")

    @property
    def attempt(self) -> int:
        """By the hub's own header; 0 if there is none."""
        text = self.headers.get("trunkline-attempt", "")
        return int(text) if text.isascii() and text.isdigit() else 0

    @property
    def type(self) -> str:
        """The event type in the body, or ""."""
        try:
            document = json.loads(self.body)
        except ValueError:
            return ""
        found = document.get("type", "") if isinstance(document, dict) else ""
        return found if isinstance(found, str) else ""


def judge(
    headers: Mapping[str, str], body: bytes, secrets: Sequence[str], *, now: float, tolerance_s: int = 300
) -> tuple[bool | None, str]:
    """(verified, why not)."""
    if not secrets:
        return None, "no secret to verify with"
    try:
        signing.verify(headers, body, secrets, now=now, tolerance_s=tolerance_s)
    except signing.VerificationError as error:
        return False, str(error)
    return True, ""
