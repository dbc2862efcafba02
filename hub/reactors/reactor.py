"""What a reactor is to the kernel that drives it. Types only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from hub.routing.hosting import Owner

Fact = Sequence[Any]
"""A row whose first two members are its shard and its position there; what follows is the reactor's own."""


class Session(Protocol):
    async def execute(
        self, query: Any, params: Any = None, *, prepare: bool | None = None, binary: bool = False
    ) -> Any: ...


class Reactor(Protocol):
    """Folds one kind of facts into rows of its own, which nobody else writes."""

    name: str
    most: int
    """Positions read at once, over all shards."""

    def heads(self, owner: Owner) -> Mapping[int, int]:
        """How far the facts of each shard go."""
        ...

    async def read(self, session: Session, ranges: Mapping[int, tuple[int, int]]) -> list[Fact]:
        """The facts of each shard after the first and up to the second position, ascending within a shard."""
        ...

    def fold(self, fact: Fact) -> None:
        """Takes a fact into what is to be written; whatever it raises, it has then taken nothing of it."""
        ...

    async def write(self, session: Session) -> None:
        """Writes what was folded, inside the kernel's transaction."""
        ...

    def settle(self) -> None:
        """It is committed."""
        ...

    def forget(self) -> None:
        """It is not, or others may have written meanwhile: whatever is held in memory is void."""
        ...


class Rebuildable(Reactor, Protocol):
    """One whose rows can be dropped and folded anew."""

    clear: str
    """SQL that deletes its rows of the shard %(shard)s that stand for days from %(since)s on."""
