"""How the facts of many deliveries are gathered, in the order of their keys, the highest first.

Three sources are read downwards from the same place. Where one of them stopped early, what lies below is left for the next
round, so that a state is never judged by half of its facts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from heapq import nlargest
from typing import Any, Final

from hub.delivery.outcome import Reason
from hub.delivery.selectors.facts import Delivery, Due, Key, Last
from hub.delivery.selectors.targets import Target
from hub.eventlog.selectors import fetch

MOST_PARCELS: Final = 50
_PARCELS_ALTOGETHER: Final = 500


@dataclass(frozen=True, slots=True)
class Range:
    """Offsets from `low` to `high`, of them `only` these; `first` and `last` day of the events. None = all."""

    low: int = 0
    high: int = 2**63 - 1
    first: date | None = None
    last: date | None = None
    only: Sequence[int] | None = None

    def conditions(self, *, days: bool) -> tuple[str, list[Any]]:
        """SQL and values beyond the offsets' bounds."""
        parts: list[str] = []
        values: list[Any] = []
        if self.only is not None:
            # Not for the index: of what lies between the bounds, most or little may be meant.
            parts.append("AND (seq + 0) = ANY(%s)")
            values.append(list(self.only))
        for sign, day in ((">=", self.first), ("<=", self.last)):
            if days and day is not None:
                parts.append(f"AND day {sign} %s")
                values.append(day)
        return " ".join(parts), values


LAST: Final = "n, at, http, reason, finish, next_at"
_ATTEMPTS = f"""
SELECT t.id, a.* FROM unnest(%s::int4[]) t(id) CROSS JOIN LATERAL (
  SELECT DISTINCT ON (seq, run) seq, run, src, day, {LAST} FROM attempt
  WHERE sub = t.id AND seq BETWEEN %s AND %s {{more}} AND (seq, t.id, run) < (%s, %s, %s)
  ORDER BY seq DESC, run DESC, n DESC, pos DESC LIMIT %s) a
ORDER BY a.seq DESC, t.id DESC, a.run DESC LIMIT %s"""
_DUES = """
SELECT t.id, d.* FROM unnest(%s::int4[]) t(id) CROSS JOIN LATERAL (
  SELECT seq, run, src, day, due_at, attempt, held FROM due
  WHERE sub = t.id AND seq BETWEEN %s AND %s {more} AND (seq, t.id, run) < (%s, %s, %s)
  ORDER BY seq DESC, run DESC LIMIT %s) d
ORDER BY d.seq DESC, t.id DESC, d.run DESC LIMIT %s"""
# The loose walk finds the few shards a subscription's parcels came from, with one probe for each. Who has many parcels beside
# many others that have some gets fewer of them read at once.
_PARCELS = f"""
WITH h AS MATERIALIZED (
  SELECT t.id, t.shard, w.src FROM unnest(%s::int4[], %s::int2[]) t(id, shard) CROSS JOIN LATERAL (
    WITH RECURSIVE w AS (
      (SELECT src FROM parcel WHERE shard = t.shard AND sub = t.id ORDER BY src LIMIT 1)
      UNION ALL
      SELECT (SELECT p.src FROM parcel p WHERE p.shard = t.shard AND p.sub = t.id AND p.src > w.src ORDER BY p.src LIMIT 1)
      FROM w WHERE w.src IS NOT NULL)
    SELECT src FROM w WHERE src IS NOT NULL) w),
 most AS MATERIALIZED (
  SELECT greatest(1, least({{each}}, {_PARCELS_ALTOGETHER} / greatest(count(*), 1))) AS each FROM h)
SELECT h.id, p.src, p.day, p.at, p.first_seq,
       ARRAY(SELECT q FROM unnest(p.seqs) q WHERE q BETWEEN %s AND %s {{only}} ORDER BY q DESC LIMIT %s), (SELECT each FROM most)
FROM h CROSS JOIN LATERAL (
  SELECT * FROM parcel WHERE shard = h.shard AND sub = h.id AND src = h.src AND run = 0
    AND first_seq <= %s AND (first_seq, h.id, 0) < (%s, %s, %s)
  ORDER BY first_seq DESC LIMIT (SELECT each FROM most)) p
ORDER BY p.first_seq DESC"""
_LAST_OF = f"""
SELECT u.sub, u.seq, u.run, a.* FROM unnest(%s::int4[], %s::int8[], %s::int4[], %s::date[]) u(sub, seq, run, day)
CROSS JOIN LATERAL (
  SELECT {LAST} FROM attempt a WHERE a.sub = u.sub AND a.seq = u.seq AND a.run = u.run AND a.day = u.day
  ORDER BY a.n DESC, a.pos DESC LIMIT 1) a"""


def gather(
    *,
    targets: Sequence[Target],
    within: Range,
    below: Key,
    limit: int,
    tried: bool = True,
    waiting: bool = True,
) -> tuple[list[Delivery], Key | None]:
    """Deliveries of these subscriptions below a key, the highest first; and the key to go on from, None at the end.

    `tried` False: only those that have a due row or wait, so that finished ones need not be walked over. `waiting` False:
    none that is in a parcel alone.
    """
    if not targets:
        return [], None
    by_id = {target.id: target for target in targets}
    found: dict[Key, Delivery] = {}
    high = min(within.high, below[0])
    bounds = [list(by_id), within.low, high]

    def at(sub: int, seq: int, run: int, src: int, day: date) -> Delivery:
        key = (seq, sub, run)
        if key not in found:
            found[key] = Delivery(by_id[sub], seq, run, src, day)
        return found[key]

    # What moves on meanwhile goes from parcels to dues to attempts: in this order it is never missed.
    stops: list[Key] = []
    if waiting:
        waits, stops = _waiting(targets, within, high, below, limit)
        for (seq, sub, run), src, day, since in waits:
            at(sub, seq, run, src, day).waits_since = since
    more, values = within.conditions(days=False)
    rows = fetch(_DUES.format(more=more), [*bounds, *values, *below, limit, limit])
    for sub, seq, run, src, day, *due in rows:
        at(sub, seq, run, src, day).due = Due(*due)
    stops += _stop(rows, limit)
    if tried:
        more, values = within.conditions(days=True)
        rows = fetch(_ATTEMPTS.format(more=more), [*bounds, *values, *below, limit, limit])
        for sub, seq, run, src, day, *last in rows:
            at(sub, seq, run, src, day).last = last_of(last)
        stops += _stop(rows, limit)
    stop = max(stops, default=None)
    complete = sorted((key for key in found if stop is None or key >= stop), reverse=True)
    if not tried and len(complete) > limit:
        complete = complete[:limit]
        stop = complete[-1]
    chosen = [found[key] for key in complete]
    if not tried:
        add_last(chosen)
    return chosen, stop


def add_last(deliveries: Sequence[Delivery]) -> None:
    """Look up the last attempt of each."""
    if deliveries:
        by_key = {delivery.key: delivery for delivery in deliveries}
        columns = [[d.target.id for d in deliveries], [d.seq for d in deliveries],
                   [d.run for d in deliveries], [d.day for d in deliveries]]  # fmt: skip
        for sub, seq, run, *last in fetch(_LAST_OF, columns):
            by_key[seq, sub, run].last = last_of(last)


def last_of(values: Sequence[Any]) -> Last:
    """From the columns of LAST."""
    n, at, http, reason, finish, next_at = values
    return Last(n, at, http, Reason(reason), finish, next_at)


def _stop(rows: list[tuple[Any, ...]], limit: int) -> list[Key]:
    return [(rows[-1][1], rows[-1][0], rows[-1][2])] if len(rows) == limit else []


def _waiting(
    targets: Sequence[Target], within: Range, high: int, below: Key, limit: int
) -> tuple[list[tuple[Key, int, date, Any]], list[Key]]:
    """What parcels hold, attempted or not: the `limit` highest keys, and where sources stopped."""
    numbers, shards = [target.id for target in targets], [target.shard for target in targets]
    low, only = within.low, within.only
    rows = fetch(
        _PARCELS.format(each=MOST_PARCELS, only="" if only is None else "AND q = ANY(%s)"),
        [numbers, shards, low, high, *([] if only is None else [list(only)]), limit + 2, high, *below],
    )
    # Of one subscription and source, parcels don't overlap: down to the last one read, all is known.
    read = Counter((sub, src) for sub, src, *_ in rows)
    lowest = {(sub, src): (first, each) for sub, src, _, _, first, _, each in rows}
    stops = [
        (first, sub, 0)
        for (sub, src), (first, each) in lowest.items()
        if read[sub, src] == each and first > low
    ]
    found = [((seq, sub, 0), src, day, since) for sub, src, day, since, _, seqs, _ in rows for seq in seqs]
    found = [row for row in found if row[0] < below]
    if len(found) > limit:
        found = nlargest(limit, found, key=lambda row: row[0])
        stops.append(found[-1][0])
    return found, stops
