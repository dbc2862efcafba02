"""How the facts of many deliveries are gathered, in the order of their keys, the highest first.

Three sources are read downwards from the same place. Where one of them stopped early, what lies below is left for the next
round, so that a state is never judged by half of its facts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from heapq import nlargest
from typing import Any, Final

from hub.delivery.outcome import Reason
from hub.delivery.selectors.facts import Delivery, Due, Key, Last
from hub.delivery.selectors.targets import Pool, Target
from hub.delivery.states import OPEN, State
from hub.eventlog.selectors import fetch

ALL: Final = frozenset(State)
Resolve = Callable[[Collection[int]], Mapping[int, Target]]
"""The targets of these numbers, each."""
MOST_PARCELS: Final = 100
"""That are read at once, or as many as deliveries are asked for; beside them one of each subscription and source."""


@dataclass(frozen=True, slots=True)
class Range:
    """Offsets from `low` to `high`; `first` and `last` day of the events, None = any."""

    low: int = 0
    high: int = 2**63 - 1
    first: date | None = None
    last: date | None = None

    def days(self) -> tuple[str, list[Any]]:
        """SQL and values of their bounds."""
        bounds = [(sign, day) for sign, day in ((">=", self.first), ("<=", self.last)) if day is not None]
        return " ".join(f"AND day {sign} %s" for sign, _ in bounds), [day for _, day in bounds]


LAST: Final = (
    "n, pos, at, http, reason, finish, next_at, CASE WHEN digest IS NOT NULL THEN total_us END AS took_us"
)
_ATTEMPTS = f"""
SELECT t.id, a.* FROM ({{pool}}) t(id, shard) CROSS JOIN LATERAL (
  SELECT DISTINCT ON (seq, run) seq, run, src, day, {LAST} FROM attempt
  WHERE sub = t.id AND seq BETWEEN %s AND %s {{days}} AND (seq, t.id, run) < (%s, %s, %s)
  ORDER BY seq DESC, run DESC, n DESC, pos DESC LIMIT %s) a
ORDER BY a.seq DESC, t.id DESC, a.run DESC LIMIT %s"""
_DUES = """
SELECT t.id, d.* FROM ({pool}) t(id, shard) CROSS JOIN LATERAL (
  SELECT seq, run, src, day, due_at, attempt, held FROM due
  WHERE sub = t.id AND seq BETWEEN %s AND %s AND {kind} AND (seq, t.id, run) < (%s, %s, %s)
  ORDER BY seq DESC, run DESC LIMIT %s) d
ORDER BY d.seq DESC, t.id DESC, d.run DESC LIMIT %s"""
# Rows of these states; what was never tried has an index of its own.
_KINDS: Final = {
    State.held: "held",
    State.waiting: "(attempt = 0 AND NOT held)",
    State.retrying: "(attempt > 0 AND NOT held)",
}
# The loose walk finds the few shards a subscription's parcels came from, with one probe for each. Down to the first event of the
# last parcel that is read in all of them (`f`), every parcel is known, and of each the one that may reach up from below.
_PARCELS = """
WITH h AS MATERIALIZED (
  SELECT t.id, t.shard, w.src FROM (
    SELECT * FROM ({pool}) t(id, shard)
    WHERE EXISTS (SELECT FROM parcel p WHERE p.shard = t.shard AND p.sub = t.id OFFSET 0)) t CROSS JOIN LATERAL (
    WITH RECURSIVE w AS (
      (SELECT src FROM parcel WHERE shard = t.shard AND sub = t.id ORDER BY src LIMIT 1)
      UNION ALL
      SELECT (SELECT p.src FROM parcel p WHERE p.shard = t.shard AND p.sub = t.id AND p.src > w.src ORDER BY p.src LIMIT 1)
      FROM w WHERE w.src IS NOT NULL)
    SELECT src FROM w WHERE src IS NOT NULL) w),
 f AS MATERIALIZED (
  SELECT p.first_seq FROM h CROSS JOIN LATERAL (
    SELECT first_seq FROM parcel WHERE shard = h.shard AND sub = h.id AND src = h.src AND run = 0 AND first_seq <= %s
    ORDER BY first_seq DESC LIMIT {most}) p
  ORDER BY p.first_seq DESC OFFSET {most} - 1 LIMIT 1)
SELECT h.id, p.src, p.day, p.at, ARRAY(SELECT q FROM unnest(p.seqs) q WHERE q BETWEEN %s AND %s ORDER BY q DESC LIMIT %s),
       (SELECT first_seq FROM f)
FROM h CROSS JOIN LATERAL (
  (SELECT * FROM parcel WHERE shard = h.shard AND sub = h.id AND src = h.src AND run = 0
     AND first_seq BETWEEN coalesce((SELECT first_seq FROM f), 0) AND %s)
  UNION ALL
  (SELECT * FROM parcel WHERE shard = h.shard AND sub = h.id AND src = h.src AND run = 0
     AND first_seq < (SELECT first_seq FROM f) ORDER BY first_seq DESC LIMIT 1)) p"""
_LAST_OF = f"""
SELECT u.sub, u.seq, u.run, a.* FROM unnest(%s::int4[], %s::int8[], %s::int4[], %s::date[]) u(sub, seq, run, day)
CROSS JOIN LATERAL (
  SELECT {LAST} FROM attempt a WHERE a.sub = u.sub AND a.seq = u.seq AND a.run = u.run AND a.day = u.day
    AND a.day BETWEEN %s AND %s
  ORDER BY a.n DESC, a.pos DESC LIMIT 1) a"""
_DUE_OF = """
SELECT d.seq, d.sub, d.run, d.due_at, d.attempt, d.held FROM unnest(%s::int8[], %s::int4[], %s::int4[]) u(seq, sub, run)
JOIN due d ON d.sub = u.sub AND d.seq = u.seq AND d.run = u.run"""


def gather(
    *,
    pool: Pool,
    resolve: Resolve,
    within: Range,
    below: Key,
    limit: int,
    states: frozenset[State] = ALL,
    tried: bool = False,
) -> tuple[list[Delivery], Key | None]:
    """Deliveries of these subscriptions below a key, the highest first; and the key to go on from, None at the end.

    There may be others among them, but none that is in one of `states`, and with `tried` has an attempt, is missing: so of
    open states alone, finished deliveries are not walked over. `resolve` gives the targets of those that are found.
    """
    # No subscription has the number 0: below such a key is nothing more of its event.
    high = min(within.high, below[0] if below[1] else below[0] - 1)
    bounds, opened = [*pool.values, within.low, high], states <= OPEN
    # What moves on meanwhile goes from parcels to dues to attempts: in this order it is never missed.
    waits: list[tuple[Any, ...]] = []
    stops: list[Key] = []
    if wait(states, tried=tried):
        waits, stops = _waiting(pool, within.low, high, below, limit)
    kind = " OR ".join(_KINDS[state] for state in sorted(states)) if opened and states < OPEN else "true"
    dues = fetch(_DUES.format(pool=pool.sql, kind=f"({kind})"), [*bounds, *below, limit, limit])
    stops += _stop(dues, limit)
    attempts: list[tuple[Any, ...]] = []
    if not opened:
        days, values = within.days()
        sql = _ATTEMPTS.format(pool=pool.sql, days=days)
        attempts = fetch(sql, [*bounds, *values, *below, limit, limit])
        stops += _stop(attempts, limit)
    found = together(resolve, waits=waits, dues=dues, attempts=attempts)
    stop = max(stops, default=None)
    complete = sorted((key for key in found if stop is None or key >= stop), reverse=True)
    if opened and len(complete) > limit:
        complete = complete[:limit]
        stop = complete[-1]
    chosen = [found[key] for key in complete]
    if opened:
        add_due([row for row in chosen if row.due is None])
        add_last(chosen)
    return chosen, stop


def together(
    resolve: Resolve,
    *,
    waits: Iterable[tuple[Any, ...]],
    dues: Iterable[tuple[Any, ...]],
    attempts: Iterable[tuple[Any, ...]],
) -> dict[Key, Delivery]:
    """What these rows tell of, each beginning with (subscription, seq, run, src, day); of `attempts` the last of each."""
    waits, dues, attempts = list(waits), list(dues), list(attempts)
    by_number = resolve({row[0] for row in (*waits, *dues, *attempts)})
    found: dict[Key, Delivery] = {}

    def at(sub: int, seq: int, run: int, src: int, day: date) -> Delivery:
        key = (seq, sub, run)
        if key not in found:
            found[key] = Delivery(by_number[sub], seq, run, src, day)
        return found[key]

    for *where, since in waits:
        at(*where).waits_since = since
    for sub, seq, run, src, day, *due in dues:
        at(sub, seq, run, src, day).due = Due(*due)
    for sub, seq, run, src, day, *last in attempts:
        at(sub, seq, run, src, day).last = last_of(last)
    return found


def wait(states: frozenset[State], *, tried: bool) -> bool:
    """May any of these be in a parcel alone? What was cut short while it waited is there for a moment yet."""
    return not tried and bool(states & {State.waiting, State.cancelled})


def add_last(deliveries: Sequence[Delivery]) -> None:
    """Look up the last attempt of each."""
    if deliveries:
        by_key = {delivery.key: delivery for delivery in deliveries}
        days = [d.day for d in deliveries]
        columns = [
            [d.target.id for d in deliveries],
            [d.seq for d in deliveries],
            [d.run for d in deliveries],
            days,
        ]
        for sub, seq, run, *last in fetch(_LAST_OF, [*columns, min(days), max(days)]):
            by_key[seq, sub, run].last = last_of(last)


def add_due(deliveries: Sequence[Delivery]) -> None:
    """Look up the due row of each."""
    if deliveries:
        by_key = {delivery.key: delivery for delivery in deliveries}
        columns = [list(column) for column in zip(*by_key, strict=True)]
        for seq, sub, run, *due in fetch(_DUE_OF, columns):
            by_key[seq, sub, run].due = Due(*due)


def last_of(values: Sequence[Any]) -> Last:
    """From the columns of LAST."""
    n, pos, at, http, reason, finish, next_at, total_us = values
    return Last(n, pos, at, http, Reason(reason), finish, next_at, total_us)


def _stop(rows: list[tuple[Any, ...]], limit: int) -> list[Key]:
    return [(rows[-1][1], rows[-1][0], rows[-1][2])] if len(rows) == limit else []


def _waiting(
    pool: Pool, low: int, high: int, below: Key, limit: int
) -> tuple[list[tuple[Any, ...]], list[Key]]:
    """What parcels hold, attempted or not: the `limit` highest keys, and where the source stopped."""
    sql = _PARCELS.format(pool=pool.sql, most=min(limit, MOST_PARCELS))
    rows = fetch(sql, [*pool.values, high, low, high, limit + 2, high])
    first = rows[0][5] if rows else None
    found = [(sub, seq, 0, src, day, since) for sub, src, day, since, seqs, _ in rows for seq in seqs]
    found = [row for row in found if (row[1], row[0], 0) < below]
    stops = [] if first is None or first <= low else [(first, 0, 0)]
    if len(found) > limit:
        found = nlargest(limit, found, key=lambda row: (row[1], row[0]))
        stops.append((found[-1][1], found[-1][0], 0))
    return found, stops
