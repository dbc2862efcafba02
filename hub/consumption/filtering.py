"""Which events a position asks for: by the rules of subscriptions, as a value. It reads no row.

The statements of `hub.consumption.statements` say the same in SQL; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hub.subscriptions.patterns import ALL, matches


@dataclass(frozen=True, slots=True)
class Filter:
    """`consumer` None = the environment's own view: every event of it, addressed to somebody or not.

    Empty `channels` = every event, whatever its channels.
    """

    env: int
    consumer: int | None
    types: tuple[str, ...]
    channels: frozenset[str] = frozenset()

    def wants(self, *, env: int, type: str, consumer: int | None, channels: Sequence[str] | None) -> bool:
        """Is the event one of those asked for?"""
        if env != self.env or (self.consumer is not None and consumer != self.consumer):
            return False
        if self.channels and self.channels.isdisjoint(channels or ()):
            return False
        return any(matches(pattern, type) for pattern in self.types)

    def parameters(self) -> dict[str, Any]:
        """The values of `statements.WANTED`."""
        return {
            "env": self.env,
            "consumer": self.consumer,
            "all": ALL in self.types,
            "exact": [t for t in self.types if not t.endswith("*")],
            "prefixes": [t[:-1] for t in self.types if t.endswith(".*")],
            "channels": sorted(self.channels) or None,
        }
