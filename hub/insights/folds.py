"""What an attempt and a routed event add to cells: the pure ground of the statistics. A fold takes all of a fact or nothing."""

from __future__ import annotations

from typing import Final, NamedTuple

from hub.delivery.outcome import Reason
from hub.delivery.states import WORDS, State
from hub.insights import histogram
from hub.insights.cells import Cell, Kind, Shape

DELIVERIES: Final = Shape(
    "insight_deliveries",
    (
        "attempts", "failures", "retries", "delivered", "dead", "cancelled", "expired", "other_ends",
        "bytes_sent", "bytes_received", "latency_us", "lag_us",
    ),
    ("oldest_us", "slowest_us"),
    ("reasons", "latency", "lag"),
)  # fmt: skip
EVENTS: Final = Shape("insight_events", ("events", "bytes", "unmatched"), ("largest",))

ATTEMPTS, FAILURES, RETRIES, _FIRST_END = 0, 1, 2, 3
_BYTES_SENT, _BYTES_RECEIVED, _LATENCY, _LAG = 8, 9, 10, 11
_OLDEST, _SLOWEST = 0, 1
_REASONS, _LATENCIES, _LAGS = 0, 1, 2
_END_COLUMN: Final = {
    WORDS[State.delivered].end: 3, WORDS[State.dead].end: 4, WORDS[State.cancelled].end: 5, WORDS[State.expired].end: 6,
    WORDS[State.expunged].end: 7, WORDS[State.handed_over].end: 7,
}  # fmt: skip
_REASON: Final = len(Reason)


class Attempt(NamedTuple):
    """A row of the attempts. `at` and `created` in seconds since 1970; `sent` False: an end without a request."""

    shard: int
    pos: int
    env: int
    sub: int
    run: int
    n: int
    at: float
    reason: int
    finish: int
    total_us: int | None
    size: int
    sent: bool
    consumer: int | None
    type: str | None
    event_size: int | None
    created: float | None


class Group(NamedTuple):
    """Facts that count under the same keys."""

    shard: int
    env: int
    minute: int
    sub: int | None
    consumer: int | None
    type: str | None

    def refs(self) -> list[tuple[Kind, str]]:
        found = [(Kind.environment, "")]
        if self.consumer is not None:
            found.append((Kind.consumer, str(self.consumer)))
        if self.sub is not None:
            found.append((Kind.subscription, str(self.sub)))
        if self.type is not None:
            found.append((Kind.type, self.type))
        return found


def minute_of(at: float) -> int:
    """The beginning of its minute, in seconds since 1970."""
    return int(at // 60) * 60


def fold_attempt(groups: dict[Group, Cell], fact: Attempt) -> None:
    """Counts an attempt, in place. ValueError for a number that no reason or end has."""
    if not 0 <= fact.reason < _REASON:
        raise ValueError(f"no reason has the number {fact.reason}")
    end = _END_COLUMN.get(fact.finish)
    if end is None and fact.finish:
        raise ValueError(f"no end has the number {fact.finish}")
    group = Group(fact.shard, fact.env, minute_of(fact.at), fact.sub, fact.consumer, fact.type)
    cell = groups.get(group)
    if cell is None:
        cell = groups[group] = DELIVERIES.cell()
    sums = cell.sums
    if fact.sent:
        sums[ATTEMPTS] += 1
        sums[_BYTES_SENT] += fact.event_size or 0
        sums[_BYTES_RECEIVED] += fact.size
        if fact.reason:
            sums[FAILURES] += 1
        if fact.n > 1:
            sums[RETRIES] += 1
        if fact.total_us is not None:
            sums[_LATENCY] += fact.total_us
            cell.most[_SLOWEST] = max(cell.most[_SLOWEST], fact.total_us)
            histogram.add(cell.maps[_LATENCIES], fact.total_us)
        if fact.n == 1 and not fact.run and fact.created is not None:
            lag = max(round((fact.at - fact.created) * 1e6), 0)
            sums[_LAG] += lag
            cell.most[_OLDEST] = max(cell.most[_OLDEST], lag)
            histogram.add(cell.maps[_LAGS], lag)
    if end is not None:
        sums[end] += 1
    reasons = cell.maps[_REASONS]
    reasons[fact.reason] = reasons.get(fact.reason, 0) + 1


class Routed(NamedTuple):
    """An event that was routed; `created` in seconds since 1970, `unmatched`: to nobody."""

    shard: int
    step: int
    env: int
    consumer: int | None
    type: str
    size: int
    created: float
    unmatched: bool


def fold_event(groups: dict[Group, Cell], fact: Routed) -> None:
    """Counts a routed event, in place, in the minute of its acceptance."""
    group = Group(fact.shard, fact.env, minute_of(fact.created), None, fact.consumer, fact.type)
    cell = groups.get(group)
    if cell is None:
        cell = groups[group] = EVENTS.cell()
    cell.sums[0] += 1
    cell.sums[1] += fact.size
    cell.sums[2] += fact.unmatched
    cell.most[0] = max(cell.most[0], fact.size)
