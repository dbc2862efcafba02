"""What an engine may do at once, and who works beside each of its terms. Types and values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Limits:
    """What one engine may do at once."""

    budget: int
    capture_bytes: int
    allow_http: bool
    paused: bool = False


class Owner(Protocol):
    """A term of ownership, as those beside it see it."""

    owned: set[int]

    def attempts_upto(self) -> Mapping[int, int]:
        """The position of each owned shard's last attempt, written or about to be."""
        ...

    def routed_upto(self) -> Mapping[int, int]:
        """The last routing step of each owned shard."""
        ...


class Companion(Protocol):
    """Works beside a term on the same loop for as long as it lasts; its own trouble stays its own."""

    async def run(self, owner: Owner) -> None: ...

    def stats(self) -> dict[str, Any]: ...
