"""How far runs above 0 are (requeues and replays): their attempts and ends by subscription, folded from attempts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final, NamedTuple

from hub.delivery.states import WORDS, State
from hub.eventlog import arrays
from hub.eventlog.selectors import fetch
from hub.insights.folds import Attempt
from hub.reactors.reactor import Session


class RunKey(NamedTuple):
    run: int
    sub: int
    shard: int


@dataclass(slots=True)
class RunCounts:
    """Attempts, those of them that failed, and deliveries by how they ended."""

    attempts: int = 0
    failures: int = 0
    delivered: int = 0
    dead: int = 0
    cancelled: int = 0
    other: int = 0

    @property
    def ended(self) -> int:
        return self.delivered + self.dead + self.cancelled + self.other


_NAMES: Final = tuple(field.name for field in fields(RunCounts))
_DELIVERED, _DEAD, _CANCELLED = (WORDS[state].end for state in (State.delivered, State.dead, State.cancelled))
_ADD: Final = f"""
insert into insight_runs as r (run, sub, shard, {", ".join(_NAMES)})
select * from unnest(%(run)b::int4[], %(sub)b::int4[], %(shard)b::int2[], {", ".join(f"%({name})b::int8[]" for name in _NAMES)})
on conflict (run, sub, shard) do update set {", ".join(f"{name} = r.{name} + excluded.{name}" for name in _NAMES)}"""


def fold_run(counts: dict[RunKey, RunCounts], fact: Attempt) -> None:
    """Counts an attempt, in place."""
    key = RunKey(fact.run, fact.sub, fact.shard)
    found = counts.get(key)
    if found is None:
        found = counts[key] = RunCounts()
    found.attempts += fact.sent
    found.failures += bool(fact.sent and fact.reason)
    if fact.finish == _DELIVERED:
        found.delivered += 1
    elif fact.finish == _DEAD:
        found.dead += 1
    elif fact.finish == _CANCELLED:
        found.cancelled += 1
    elif fact.finish:
        found.other += 1


async def add(session: Session, counts: Mapping[RunKey, RunCounts]) -> None:
    """Adds them to the rows, inside the kernel's transaction."""
    rows = sorted(counts.items())
    values = {
        "run": arrays.int4([key.run for key, _ in rows]),
        "sub": arrays.int4([key.sub for key, _ in rows]),
        "shard": arrays.int2([key.shard for key, _ in rows]),
    }
    columns = {name: arrays.int8([getattr(found, name) for _, found in rows]) for name in _NAMES}
    await session.execute(_ADD, {**values, **columns}, prepare=True)


def progress(run: int) -> dict[int, RunCounts]:
    """By subscription; at most two seconds behind."""
    sums = ", ".join(f"sum({name})::int" for name in _NAMES)
    rows = fetch(f"SELECT sub, {sums} FROM insight_runs WHERE run = %s GROUP BY sub", [run])
    return {row[0]: RunCounts(*row[1:]) for row in rows}
