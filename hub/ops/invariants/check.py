"""Runs the statements in one REPEATABLE READ snapshot and compares what they count, so it is right under
traffic.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import psycopg

from hub.core import ids
from hub.delivery.states import state_of_end
from hub.ops.invariants import statements as sql
from hub.ops.invariants.report import Finding, Report
from hub.ops.session import session

SHOWN = 5
STATEMENT_S = 1800
_SNAPSHOT = {
    "default_transaction_isolation": r"repeatable\ read",
    "default_transaction_read_only": "on",
    "work_mem": "64MB",
}


class NoLog(Exception):
    """The log has no partition: nothing was ever kept here. Run `manage.py prepare`."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a shard's routing steps say: events with numbers in (floor, upto] were routed."""

    shard: int
    first: int
    last: int
    floor: int
    upto: int
    events: int
    pairs: int
    unmatched: int
    begins: date | None
    waiting: int


@dataclass(slots=True)
class Counts:
    """By shard; `seqs` are the first few numbers of a gap."""

    n: dict[str, dict[int, int]] = field(default_factory=dict)
    seqs: dict[str, dict[int, list[int]]] = field(default_factory=dict)

    def of(self, kind: str, shard: int) -> int:
        return self.n.get(kind, {}).get(shard, 0)

    def all(self, kind: str) -> int:
        return sum(self.n.get(kind, {}).values())


class _Look:
    """The session and the parameters that the statements share."""

    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]], since: date | None) -> None:
        self._connection = connection
        self.values: dict[str, Any] = {}
        self.oldest: date | None = self.one(sql.OLDEST)[0]
        if self.oldest is None:
            raise NoLog
        # The oldest partition itself may be half gone by the time its events are counted.
        self.since = max(since, self.oldest) if since else date.fromordinal(self.oldest.toordinal() + 1)
        self.values = {"since": self.since, "oldest": self.oldest, "show": SHOWN}
        self.stretches = [Stretch(*row) for row in self.all(sql.STEPS)]
        begins = [s.begins for s in self.stretches if s.begins]
        # Two appends around midnight may commit in either order of days.
        day = date.fromordinal(min(begins).toordinal() - 1) if begins else self.since
        self.values |= {
            "day": max(day, self.oldest),
            "shard": [s.shard for s in self.stretches],
            "floor": [s.floor for s in self.stretches],
            "upto": [s.upto for s in self.stretches],
        }

    def all(self, statement: str, **more: Any) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement, self.values | more).fetchall()

    def one(self, statement: str, **more: Any) -> tuple[Any, ...]:
        row = self._connection.execute(statement, self.values | more).fetchone()
        assert row is not None
        return row

    def names(self, where: dict[int, list[int]]) -> list[str]:
        """ "evt_… (shard 3, number 17)" for the first few."""
        pairs = [(shard, seq) for shard, seqs in sorted(where.items()) for seq in seqs][:SHOWN]
        found = {
            (shard, seq): ids.encode("evt", id.bytes)
            for shard, seq, id in self.all(sql.NAMES, shard=[s for s, _ in pairs], seq=[q for _, q in pairs])
        }
        return [f"{found.get(pair, 'no such event')} (shard {pair[0]}, number {pair[1]})" for pair in pairs]


def check(*, since: date | None = None, clock: Callable[[], float] = time.monotonic) -> Report:
    """Everything that is kept, or what was routed on `since` and later. Raises psycopg.Error."""
    begun = clock()
    with session(name="check", statement_s=STATEMENT_S, autocommit=False, options=_SNAPSHOT) as connection:
        (taken_at,) = connection.execute("select now()::timestamptz(0)::text").fetchone() or ("",)
        look = _Look(connection, since)
        counts = _counts(look)
        findings = [
            _chain(look),
            _events(look, counts),
            _lost(look, counts),
            _pairs(look, counts),
            _unmatched(look, counts),
            _unrouted(look, counts),
            *_ends(look),
            _both(look),
            _keys(look),
            _requeues(look),
            _orphans(look),
        ]
        totals = _totals(look, counts)
    return Report(str(look.since), taken_at, clock() - begun, totals, findings)


def _counts(look: _Look) -> Counts:
    counts = Counts()
    for kind, shard, n, seqs in look.all(sql.COUNTS):
        counts.n.setdefault(kind, {})[shard] = n
        if seqs:
            counts.seqs.setdefault(kind, {})[shard] = seqs
    return counts


def _totals(look: _Look, counts: Counts) -> dict[str, int]:
    retrying, held, waiting = look.one(sql.OPEN)
    (dropped,) = look.one(sql.DROPPED)
    totals = {
        "shards checked": len(look.stretches),
        "events routed": counts.all("events"),
        "events not routed yet": sum(s.waiting for s in look.stretches) + look.one(sql.UNTOUCHED)[0],
        "events nobody matched": sum(s.unmatched for s in look.stretches),
        "deliveries by routing": counts.all("deliveries"),
        "dropped with their subscription": int(dropped),
        "  waiting": waiting,
        "  retrying": retrying,
        "  held": held,
    }
    return totals | {f"  {state_of_end(finish)}": count for finish, count in look.all(sql.FINISHED)}


def _chain(look: _Look) -> Finding:
    rows = look.all(sql.CHAIN)
    return Finding(
        "chain", "each routing step begins where the one before it ended", rows[0][0] if rows else 0,
        [f"shard {shard}: step {step} goes from {prev} to {upto} with {events} events, after step {last} to {ended}"
         for _, shard, step, prev, upto, events, last, ended in rows],
    )  # fmt: skip


def _events(look: _Look, counts: Counts) -> Finding:
    wrong = [s for s in look.stretches if s.events != counts.of("events", s.shard)]
    examples = []
    for stretch in wrong[:SHOWN]:
        for step, prev, upto, said, there in look.all(
            sql.STEP_GAPS, shard=stretch.shard, floor=stretch.floor
        ):
            examples.append(
                f"shard {stretch.shard}: step {step} ({prev}, {upto}] routed {said} events; the log has {there}"
            )
    gaps = sum(abs(s.events - counts.of("events", s.shard)) for s in wrong)
    return Finding("events", "every event up to the cursor was routed, once", gaps, examples[:SHOWN])


def _lost(look: _Look, counts: Counts) -> Finding:
    return Finding(
        "lost", "every routed event has deliveries, or is known to match nobody", counts.all("lost"),
        look.names(counts.seqs.get("lost", {})),
    )  # fmt: skip


def _pairs(look: _Look, counts: Counts) -> Finding:
    missing = {s.shard: s.pairs - counts.of("deliveries", s.shard) for s in look.stretches}
    (dropped,) = look.one(sql.DROPPED)
    short = sum(n for n in missing.values() if n > 0)
    over = -sum(n for n in missing.values() if n < 0)
    whole = all(s.first == 1 for s in look.stretches)
    # Once days are gone, some of what was dropped belonged to them.
    gaps = over + (abs(short - int(dropped)) if whole else max(0, short - int(dropped)))
    return Finding(
        "pairs", "every pair that was routed has one delivery (or went with its deleted subscription)", gaps,
        [f"shard {shard}: {abs(n)} {'missing' if n > 0 else 'too many'}" for shard, n in missing.items() if n][:SHOWN]
        if gaps else [],
    )  # fmt: skip


def _unmatched(look: _Look, counts: Counts) -> Finding:
    gaps = counts.all("denied") + counts.all("invented")
    examples = look.names(counts.seqs.get("denied", {})) + look.names(counts.seqs.get("invented", {}))
    return Finding(
        "unmatched", "what matched nobody is an event, and has no delivery", gaps, examples[:SHOWN]
    )


def _unrouted(look: _Look, counts: Counts) -> Finding:
    examples = look.names(counts.seqs.get("unrouted", {}))
    return Finding(
        "unrouted", "every delivery belongs to an event that was routed", counts.all("unrouted"), examples
    )


def _ends(look: _Look) -> list[Finding]:
    rows = look.all(sql.ENDS)

    def finding(rule: str, sentence: str, *, twice: bool) -> Finding:
        mine = [row for row in rows if row[1] is twice]
        examples = [_delivery(event, sub, run) for _, _, sub, run, event in mine]
        return Finding(rule, sentence, mine[0][0] if mine else 0, examples)

    return [
        finding("ends", "no delivery ends twice", twice=True),
        finding("after", "nothing is attempted after its end", twice=False),
    ]


def _both(look: _Look) -> Finding:
    rows = look.all(sql.BOTH)
    examples = [_delivery(event, sub, run) for _, sub, _, run, event in rows]
    return Finding("both", "nothing has ended and waits all the same", rows[0][0] if rows else 0, examples)


def _keys(look: _Look) -> Finding:
    rows = look.all(sql.KEYS)
    return Finding(
        "keys", "every idempotency key leads to its event", rows[0][0] if rows else 0,
        [f"{ids.encode('evt', event.bytes)} of {at:%Y-%m-%d %H:%M:%S}, environment {env}" for _, env, event, at in rows],
    )  # fmt: skip


def _requeues(look: _Look) -> Finding:
    rows = look.all(sql.REQUEUES)
    return Finding(
        "requeues", "every requeue that was applied has its delivery", rows[0][0] if rows else 0,
        [f"command {id}: subscription {sub}, event number {seq}" for _, id, sub, seq in rows],
    )  # fmt: skip


def _orphans(look: _Look) -> Finding:
    rows = look.all(sql.ORPHANS)
    examples = [f"subscription {sub}: {waits} rows" for _, sub, waits in rows]
    return Finding(
        "orphans", "nothing waits for a subscription that has ended", rows[0][0] if rows else 0, examples
    )


def _delivery(event: Any, sub: int, run: int) -> str:
    return ids.delivery_id(event.bytes, sub, run)
