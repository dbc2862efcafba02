"""Folds facts for as long as an engine owns their shards, on a session of its own. It never slows routing or sending down.

The next cursor row can be written once only, so a fact is folded exactly once, whoever believes to own its shard.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg

from hub.eventlog.connect import PLANS, open_session
from hub.reactors import cursors
from hub.reactors.cursors import Cursor, Skipped
from hub.reactors.reactor import Fact, Reactor
from hub.routing.hosting import Owner

logger = logging.getLogger(__name__)

EVERY_S: Final = 0.5
AGAIN_S: Final = 1.0
# A rebuild moves cursors back; whoever has no new facts to fold notices it so.
LOOK_S: Final = 5.0
# How many facts are folded before others on the loop get their turn.
AT_A_TIME: Final = 200


@dataclass(slots=True)
class Progress:
    """Of one reactor in this process. `behind`: positions not yet folded at the last look; `since`: of the clock, when it fell behind."""

    facts: int = 0
    skipped: int = 0
    behind: int = 0
    since: float | None = None
    cursors: dict[int, Cursor] = field(default_factory=dict)
    looked: float = 0.0


def share(
    cursors: Mapping[int, Cursor], heads: Mapping[int, int], *, most: int
) -> dict[int, tuple[int, int]]:
    """What to read of each shard that is behind: at most `most` positions, and of no shard so many that others get none. Pure."""
    behind = {s: heads[s] - c.pos for s, c in cursors.items() if heads.get(s, 0) > c.pos}
    ranges = {}
    # The least behind first: what they leave over goes to the others.
    for left, (shard, count) in zip(
        range(len(behind), 0, -1), sorted(behind.items(), key=lambda item: (item[1], item[0])), strict=True
    ):
        taken = min(count, most // left)
        if taken:
            ranges[shard] = (cursors[shard].pos, cursors[shard].pos + taken)
            most -= taken
    return ranges


class Kernel:
    """One an engine. `run` is given each of its terms."""

    def __init__(self, reactors: Sequence[Reactor], *, clock: Callable[[], float] = time.monotonic) -> None:
        self.reactors = list(reactors)
        self.progress = {reactor.name: Progress() for reactor in self.reactors}
        self._clock = clock

    def stats(self) -> dict[str, Any]:
        """What the engine says of it: facts folded and skipped, positions behind, and for how many seconds."""
        now = self._clock()
        return {
            name: {
                "facts": p.facts, "skipped": p.skipped, "behind": p.behind,
                "behind_s": round(now - p.since, 3) if p.since is not None else 0.0,
            }
            for name, p in self.progress.items()
        }  # fmt: skip

    async def run(self, owner: Owner) -> None:
        """Until cancelled; an error of the database or of a reactor is told, and folding begins anew from the cursors."""
        while True:
            session = None
            try:
                session = await open_session(
                    name="engine folding", synchronous_commit="off", statement_timeout="20s", **PLANS
                )
                await self._fold_forever(session, owner)
            except psycopg.errors.UniqueViolation:
                logger.info("another has folded these facts; going on from the cursors")
            except psycopg.Error as error:
                logger.warning("folding is interrupted, tried again soon: %s", str(error).strip())
            except Exception:
                logger.exception("folding failed, tried again soon")
            finally:
                self._forget()
                if session is not None:
                    with contextlib.suppress(psycopg.Error):
                        await session.close()
            await asyncio.sleep(AGAIN_S)

    def _forget(self) -> None:
        for reactor in self.reactors:
            reactor.forget()
            self.progress[reactor.name].cursors = {}

    async def _fold_forever(self, session: psycopg.AsyncConnection[Any], owner: Owner) -> None:
        while True:
            began, more = self._clock(), False
            for reactor in self.reactors:
                more |= await self.fold(session, reactor, owner)
            took = self._clock() - began
            # While it is behind it takes at most half of the time.
            await asyncio.sleep(took if more else max(EVERY_S - took, 0.05))

    async def fold(self, session: psycopg.AsyncConnection[Any], reactor: Reactor, owner: Owner) -> bool:
        """Fold what is there, at most `reactor.most` positions; is there more? Raises psycopg.Error, then nothing was folded."""
        progress, heads = self.progress[reactor.name], reactor.heads(owner)
        known = await self._cursors(session, reactor, owner)
        ranges = share(known, heads, most=reactor.most)
        if not ranges:
            progress.behind, progress.since = 0, None
            return False
        facts = await reactor.read(session, ranges)
        upto, skipped = await self._take(reactor, facts)
        if not upto:
            return False
        async with session.transaction():
            moved = await cursors.advance(session, name=reactor.name, cursors=known, upto=upto)
            if skipped:
                await cursors.skip(session, name=reactor.name, skipped=skipped)
            await reactor.write(session)
        known |= moved
        reactor.settle()
        progress.facts += len(facts) - len(skipped)
        progress.skipped += len(skipped)
        progress.behind = sum(max(heads.get(shard, 0) - cursor.pos, 0) for shard, cursor in known.items())
        if not progress.behind:
            progress.since = None
        elif progress.since is None:
            progress.since = self._clock()
        return progress.behind > 0

    async def _cursors(
        self, session: psycopg.AsyncConnection[Any], reactor: Reactor, owner: Owner
    ) -> dict[int, Cursor]:
        progress, now = self.progress[reactor.name], self._clock()
        if progress.cursors.keys() != owner.owned or now - progress.looked > LOOK_S:
            found = await cursors.load(session, name=reactor.name, shards=sorted(owner.owned))
            if found != progress.cursors:
                reactor.forget()
            progress.cursors, progress.looked = found, now
        return progress.cursors

    async def _take(self, reactor: Reactor, facts: Sequence[Fact]) -> tuple[dict[int, int], list[Skipped]]:
        """(last position of each shard, what could not be folded)."""
        upto: dict[int, int] = {}
        skipped: list[Skipped] = []
        part = 0
        for number, fact in enumerate(facts):
            shard, pos = fact[0], fact[1]
            part = part + 1 if upto.get(shard) == pos else 0
            upto[shard] = max(pos, upto.get(shard, 0))
            try:
                reactor.fold(fact)
            except Exception as error:
                logger.exception("%s skips the fact %d of shard %d", reactor.name, pos, shard)
                skipped.append(Skipped(shard, pos, part, f"{type(error).__name__}: {error}"[:500]))
            if number % AT_A_TIME == AT_A_TIME - 1:
                await asyncio.sleep(0)
        return upto, skipped
