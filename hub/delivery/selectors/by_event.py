"""All deliveries of some events, put together from their facts at once: each is looked up, and nothing between them walked over."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

from hub.delivery.selectors.facts import Delivery, Due
from hub.delivery.selectors.gathering import ALL, LAST, add_last, last_of, wait
from hub.delivery.selectors.targets import Target
from hub.delivery.states import OPEN, State
from hub.eventlog.selectors import Event, fetch

# Of those that have any, the parcel that an event would be in.
_PARCELS: Final = """
SELECT t.id, q.src, q.seq, p.day, p.at FROM (
  SELECT * FROM unnest(%s::int4[], %s::int2[]) t(id, shard)
  WHERE EXISTS (SELECT FROM parcel p WHERE p.shard = t.shard AND p.sub = t.id OFFSET 0)) t
CROSS JOIN unnest(%s::int2[], %s::int8[]) q(src, seq)
CROSS JOIN LATERAL (
  SELECT * FROM parcel p WHERE p.shard = t.shard AND p.sub = t.id AND p.src = q.src AND p.first_seq <= q.seq AND p.run = 0
  ORDER BY p.first_seq DESC LIMIT 1) p
WHERE q.seq = ANY(p.seqs)"""
_DUES: Final = (
    "SELECT sub, seq, run, src, day, due_at, attempt, held FROM due WHERE sub = ANY(%s) AND seq = ANY(%s)"
)
# One index scan of one day: it leaps from one pair to the next.
_ATTEMPTS: Final = f"""
(SELECT DISTINCT ON (sub, seq, run) sub, seq, run, src, day, {LAST} FROM attempt
 WHERE sub = ANY(%s) AND seq = ANY(%s) AND day = %s ORDER BY sub, seq, run, n DESC, pos DESC)"""


def of_events(
    *, targets: Sequence[Target], events: Sequence[Event], states: frozenset[State] = ALL, tried: bool = False
) -> list[Delivery]:
    """In no order, each with its event. There may be others among them, but none that is in one of `states`, and with `tried`
    has an attempt, is missing. Keep subscriptions times events below some ten thousand.
    """
    if not targets or not events:
        return []
    by_id, by_key = {target.id: target for target in targets}, {event.key: event for event in events}
    numbers, seqs = list(by_id), [event.seq for event in events]
    found: dict[tuple[int, int, int], Delivery] = {}

    def at(sub: int, seq: int, run: int, src: int, day: date) -> Delivery:
        key = (seq, sub, run)
        if key not in found:
            found[key] = Delivery(by_id[sub], seq, run, src, day, event=by_key.get((src, seq)))
        return found[key]

    # In the order in which what moves on meanwhile is never missed.
    if wait(states, tried=tried):
        shards, sources = [target.shard for target in targets], [event.shard for event in events]
        for sub, src, seq, day, since in fetch(_PARCELS, [numbers, shards, sources, seqs]):
            at(sub, seq, 0, src, day).waits_since = since
    for sub, seq, run, src, day, *due in fetch(_DUES, [numbers, seqs]):
        at(sub, seq, run, src, day).due = Due(*due)
    if states <= OPEN:
        add_last(list(found.values()))
    else:
        for sub, seq, run, src, day, *last in _last_attempts(numbers, events):
            at(sub, seq, run, src, day).last = last_of(last)
    return [row for row in found.values() if row.event is not None]


def _last_attempts(numbers: list[int], events: Sequence[Event]) -> list[tuple[Any, ...]]:
    by_day: dict[date, list[int]] = {}
    for event in events:
        by_day.setdefault(event.day, []).append(event.seq)
    values = [value for day, seqs in by_day.items() for value in (numbers, seqs, day)]
    return fetch(" UNION ALL ".join([_ATTEMPTS] * len(by_day)), values)
