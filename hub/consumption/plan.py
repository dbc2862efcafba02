"""What one look at a position's shards comes to: which events go out, how far each mark moves, and what is leased.

Pure: from the rows of `statements.READ` to values. It never decides whether a shard is free.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from typing import Any


@dataclass(slots=True)
class Row:
    """An event asked for, or the last that was looked at in its shard, or (`seq` None) that there was nothing.

    `upto`, `day` and `kept` are the mark's: whether its day is still there. `first`: the first offset that was looked at;
    `n`: how many were, so far. `at`: the envelope's timestamp. `data` None: not asked for, or beyond the bytes.
    """

    shard: int
    upto: int
    day: date
    kept: bool
    today: date
    seq: int | None
    seq_day: date | None = None
    first: int | None = None
    n: int = 0
    last: bool = False
    wanted: bool = False
    size: int = 0
    id: Any = None
    type: str = ""
    at: float = 0.0
    source: str | None = None
    subject: str | None = None
    extensions: str | None = None
    consumer: str | None = None
    data: bytes | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """A mark's new place. `last`, `end`, `end_day`: what is leased in the shard, None if nothing is."""

    shard: int
    upto: int
    day: date
    skipped: int | None = None
    last: int | None = None
    end: int | None = None
    end_day: date | None = None


@dataclass(slots=True)
class Plan:
    """`more`: something is left that could be read at once."""

    events: list[Row] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    more: bool = False

    @property
    def leased(self) -> list[int]:
        """The shards that gave events."""
        return [move.shard for move in self.moves if move.last is not None]

    @property
    def skipped(self) -> dict[int, int]:
        """Shards whose mark lay in a day that is gone, and the first offset that is still there."""
        return {move.shard: move.skipped for move in self.moves if move.skipped is not None}


def plan(rows: Iterable[Row], *, limit: int, scan: int, most: int) -> Plan:
    """`limit` events at most; `scan` and `most` are the bounds that the statement had, for each shard and in all."""
    found, made = list(rows), Plan()
    # The statement may have stopped anywhere: beyond its last row nothing is known.
    made.more = len(found) >= most
    for shard, group in groupby(found, key=lambda row: row.shard):
        looked = list(group)
        taken = _fitting(looked, limit - len(made.events))
        wanted = sum(row.wanted for row in looked)
        move = _move(shard, looked, taken, whole=len(taken) == wanted, scan=scan)
        made.events += taken
        if move is not None:
            made.moves.append(move)
        end = looked[-1]
        made.more |= len(taken) < wanted or (end.last and end.n >= scan)
    return made


def _fitting(looked: Sequence[Row], room: int) -> list[Row]:
    taken: list[Row] = []
    for row in looked:
        if row.wanted:
            if len(taken) >= room or row.data is None:
                break
            taken.append(row)
    return taken


def _move(shard: int, looked: Sequence[Row], taken: Sequence[Row], *, whole: bool, scan: int) -> Move | None:
    mark, end = looked[0], looked[-1]
    if end.seq is None:
        # Nothing there. Its day follows the days, so that it lies in one that is kept; a gap is told with the next event.
        return Move(shard, mark.upto, mark.today) if mark.day < mark.today and mark.kept else None
    skipped = None if mark.kept else mark.first
    # As far as is known: to the end of the walk, or to the last event that fits.
    reached = end if whole else taken[-1] if taken else None
    if not taken:
        if reached is None or not reached.last:
            return None
        assert reached.seq is not None
        assert reached.seq_day is not None
        ended = reached.n < scan
        return Move(shard, reached.seq, reached.today if ended else reached.seq_day, skipped)
    first, last = taken[0], taken[-1]
    assert reached is not None
    assert first.seq is not None
    assert first.seq_day is not None
    if skipped is not None:
        # The mark stays until the acknowledgement, so that whoever reads it again is told of the gap again.
        return Move(shard, mark.upto, mark.day, skipped, last.seq, reached.seq, reached.seq_day)
    upto = max(mark.upto, first.seq - 1)
    return Move(shard, upto, first.seq_day, None, last.seq, reached.seq, reached.seq_day)
