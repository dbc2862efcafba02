"""All deliveries of some events, put together from their facts at once: each is looked up, and nothing between them walked over."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

from hub.delivery.selectors.facts import Delivery
from hub.delivery.selectors.gathering import ALL, LAST, Resolve, add_last, together, wait
from hub.delivery.selectors.targets import Pool
from hub.delivery.states import OPEN, State
from hub.eventlog.selectors import Event, fetch

# Of those that have any, the parcel that an event would be in.
_PARCELS: Final = """
SELECT t.id, q.seq, 0, q.src, p.day, p.at FROM (
  SELECT * FROM ({pool}) t(id, shard)
  WHERE EXISTS (SELECT FROM parcel p WHERE p.shard = t.shard AND p.sub = t.id OFFSET 0)) t
CROSS JOIN unnest(%s::int2[], %s::int8[]) q(src, seq)
CROSS JOIN LATERAL (
  SELECT * FROM parcel p WHERE p.shard = t.shard AND p.sub = t.id AND p.src = q.src AND p.first_seq <= q.seq AND p.run = 0
  ORDER BY p.first_seq DESC LIMIT 1) p
WHERE q.seq = ANY(p.seqs) LIMIT %s"""
_DUES: Final = """
SELECT sub, seq, run, src, day, due_at, attempt, held FROM due
WHERE sub = ANY(ARRAY(SELECT id FROM ({pool}) t)) AND seq = ANY(%s) LIMIT %s"""
# One index scan a day: it leaps from one pair that is there to the next.
_ATTEMPTS: Final = "WITH t AS MATERIALIZED ({pool}) {days} LIMIT %s"
_DAY: Final = f"""(SELECT sub, seq, run, src, day, {LAST} FROM attempt
 WHERE sub = ANY(ARRAY(SELECT id FROM t)) AND seq = ANY(%s) AND day = %s)"""


def of_events(
    *, pool: Pool, resolve: Resolve, events: Sequence[Event], states: frozenset[State] = ALL, tried: bool = False, most: int
) -> list[Delivery] | None:  # fmt: skip
    """In no order, each with its event; None if there are more than about `most`.

    There may be others among them, but none that is in one of `states`, and with `tried` has an attempt, is missing.
    """
    by_key = {event.key: event for event in events}
    seqs = [event.seq for event in events]
    # In the order in which what moves on meanwhile is never missed.
    waits: list[tuple[Any, ...]] = []
    if wait(states, tried=tried):
        sources = [event.shard for event in events]
        waits = fetch(_PARCELS.format(pool=pool.sql), [*pool.values, sources, seqs, most + 1])
    dues = fetch(_DUES.format(pool=pool.sql), [*pool.values, seqs, most + 1])
    attempts = [] if states <= OPEN else _attempts(pool, events, most)
    if max(len(waits), len(dues), len(attempts)) > most:
        return None
    # Of those of one delivery, the last one stays.
    attempts.sort(key=lambda row: row[5:7])
    found = list(together(resolve, waits=waits, dues=dues, attempts=attempts).values())
    for row in found:
        row.event = by_key.get((row.src, row.seq))
    if states <= OPEN:
        add_last(found)
    return [row for row in found if row.event is not None]


def _attempts(pool: Pool, events: Sequence[Event], most: int) -> list[tuple[Any, ...]]:
    by_day: dict[date, list[int]] = {}
    for event in events:
        by_day.setdefault(event.day, []).append(event.seq)
    sql = _ATTEMPTS.format(pool=pool.sql, days=" UNION ALL ".join([_DAY] * len(by_day)))
    return fetch(
        sql, [*pool.values, *(value for day, seqs in by_day.items() for value in (seqs, day)), most + 1]
    )
