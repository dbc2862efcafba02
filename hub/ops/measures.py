"""What the tables say of depth, lag and breakers, each by one statement that is bounded in rows and in time.

It reads a sample where counting all would cost too much, and says so in the metric's help.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

import psycopg

from hub.delivery.tally import BOUNDS_S
from hub.eventlog.connect import PLANS
from hub.eventlog.partitions import DAYS_AHEAD
from hub.ops.exposition import Histogram, Sample
from hub.ops.health import ENGINE_SILENT_S
from hub.ops.session import STATEMENT_S, session

logger = logging.getLogger(__name__)

Metrics = list[Sample | Histogram]
Rows = Sequence[tuple[Any, ...]]
ALTOGETHER_S = 6.0

ENGINES = f"""
select engine, extract(epoch from clock_timestamp() - at)::float8, cardinality(shards), stats from engine_status
where at > clock_timestamp() - interval '{ENGINE_SILENT_S} seconds' order by engine"""
INGEST = f"""
select process, stats from ingest_status where at > clock_timestamp() - interval '{ENGINE_SILENT_S} seconds' order by process"""
# Whole up to 2,000 parcels; beyond that their number is the planner's estimate and their size that of the sample.
PARCELS = """
select count(*), coalesce(sum(cardinality(seqs)), 0),
       (select greatest(reltuples, 0)::float8 from pg_class where oid = 'parcel'::regclass)
from (select seqs from parcel limit 2000) p"""
DUES = """
select count(*) filter (where not held), count(*) filter (where held),
       count(*) filter (where not held and due_at < clock_timestamp())
from (select held, due_at from due limit 100000) d"""
LAG = """
select s, coalesce(l.upto, 0), n.waiting, extract(epoch from clock_timestamp() - o.created_at)::float8
from generate_series(0, 63) s
left join lateral (select upto, upto_day from routed r where r.shard = s order by step desc limit 1) l on true
cross join lateral (
  select count(*) as waiting from (
    select 1 from event e where e.shard = s and e.seq > coalesce(l.upto, 0)
    and e.day >= coalesce(l.upto_day - 1, date '2000-01-01') limit 10000) x) n
left join lateral (
  select e.created_at from event e where e.shard = s and e.seq > coalesce(l.upto, 0)
  and e.day >= coalesce(l.upto_day - 1, date '2000-01-01') order by e.seq limit 1) o on true
order by s"""
# A loose walk over the index: one probe for each subscription that ever had a change, however many it had.
BREAKERS = """
with recursive t as (
  (select sub from breaker_fact order by sub limit 1)
  union all
  select (select f.sub from breaker_fact f where f.sub > t.sub order by f.sub limit 1) from t where t.sub is not null)
select l.state, count(*) from t
cross join lateral (select state from breaker_fact f where f.sub = t.sub order by f.id desc limit 1) l
join subscriptions_subscription s on s.id = t.sub and s.deleted_at is null
where t.sub is not null group by l.state order by l.state"""
IDEMPOTENCY = """
select greatest(reltuples, 0)::float8, pg_total_relation_size(oid)::float8 from pg_class
where oid = 'idempotency'::regclass"""
COMMANDS = "select count(*) from (select from command where applied_at is null limit 10000) c"

_OF_INGEST: tuple[tuple[str, str, Literal["counter", "gauge"], str], ...] = (
    ("events", "ingest_events_total", "counter", "Events accepted (202) by this process."),
    ("refused", "ingest_refused_total", "counter", "Requests refused by ingest in this process."),
    ("commits", "ingest_commits_total", "counter", "Group commits of this process."),
    ("pending", "ingest_pending", "gauge", "Events waiting for their commit in this process."),
)
_OF_REACTORS: dict[str, tuple[str, Literal["counter", "gauge"], str]] = {
    "facts": ("reactor_facts_total", "counter", "Facts that this engine folded into read models."),
    "skipped": (
        "reactor_skipped_total",
        "counter",
        "Facts that could not be folded; see the table reactor_skipped.",
    ),
    "behind": ("reactor_behind", "gauge", "Positions not folded yet at the last look."),
    "behind_s": ("reactor_behind_seconds", "gauge", "For how long the reactor has not been up to date."),
}
_COUNTERS = {
    "routed_events": "Events routed.",
    "routed_pairs": "Deliveries made by routing: pairs of event and subscription.",
    "routings": "Routing commits.",
    "records": "Commits that record outcomes.",
    "readbacks": "Times that waiting deliveries were read back from their rows.",
}
_HISTOGRAMS = {
    "attempt_seconds": "How long attempts took.",
    "accept_to_send_seconds": "From an event's acceptance to its first attempt.",
}


def of_engines(rows: Rows) -> Metrics:
    """What the engines counted since they started; a silent one is left out."""
    found: Metrics = []
    for engine, age_s, shards, stats in rows:
        label = (("engine", engine),)
        found.append(Sample("engine_shards", "gauge", "Shards that the engine owns.", shards, label))
        found.append(
            Sample(
                "engine_status_age_seconds", "gauge", "Since the engine's last word.", max(age_s, 0.0), label
            )
        )
        for reason, count in sorted(stats.get("reasons", {}).items()):
            found.append(
                Sample(
                    "attempts_total",
                    "counter",
                    "Attempts by how they ended.",
                    count,
                    (*label, ("reason", reason)),
                )
            )
        for name, help in _HISTOGRAMS.items():
            given = stats.get(name)
            if given and len(given["counts"]) == len(BOUNDS_S) + 1:
                found.append(Histogram(name, help, BOUNDS_S, given["counts"], given["sum"], label))
        for name, help in _COUNTERS.items():
            if name in stats:
                found.append(Sample(f"{name}_total", "counter", help, stats[name], label))
        for reactor, progress in sorted(stats.get("reactors", {}).items()):
            named = (*label, ("reactor", reactor))
            for key, (name, kind, help) in _OF_REACTORS.items():
                found.append(Sample(name, kind, help, progress.get(key, 0), named))
    return found  # fmt: skip


def of_ingest(rows: Rows) -> Metrics:
    """What each ingest process counted since its start, at most some seconds old; a silent one is left out."""
    return [
        Sample(name, kind, help, stats.get(key, 0), (("process", process),))
        for process, stats in rows
        for key, name, kind, help in _OF_INGEST
    ]


def of_parcels(rows: Rows) -> Metrics:
    ((parcels, waiting, estimate),) = rows
    if parcels >= 2000 and estimate > parcels:
        waiting, parcels = waiting * estimate / parcels, estimate
    return [
        Sample("deliveries_waiting", "gauge",
               "Deliveries in parcels, at most (some of a parcel may be done); estimated above 2,000 parcels.", float(waiting)),
        Sample("parcels", "gauge", "Rows in which deliveries wait.", float(parcels)),
    ]  # fmt: skip


def of_dues(rows: Rows) -> Metrics:
    ((due, held, late),) = rows
    return [
        Sample(
            "deliveries_retrying", "gauge", "Deliveries that wait for a retry; counted up to 100,000.", due
        ),
        Sample("deliveries_held", "gauge", "Deliveries that wait for an earlier one of their subject.", held),
        Sample("deliveries_overdue", "gauge", "Retries whose time has come.", late),
    ]


def of_lag(rows: Rows) -> Metrics:
    found: Metrics = []
    for shard, upto, waiting, age_s in rows:
        label = (("shard", str(shard)),)
        found += [
            Sample("routed_upto", "gauge", "The last event number that was routed.", upto, label),
            Sample("routing_lag_events", "gauge", "Events not yet routed; counted up to 10,000.", waiting, label),
            Sample("routing_lag_seconds", "gauge", "Age of the oldest event not yet routed.", max(age_s or 0.0, 0.0), label),
        ]  # fmt: skip
    return found


def of_breakers(rows: Rows) -> Metrics:
    found: dict[str, int] = {state: count for state, count in rows}
    return [
        Sample("breakers", "gauge", "Subscriptions by the last recorded state of their circuit breaker (closed left out).",
               found.get(state, 0), (("state", state),))
        for state in ("open", "half-open", "ramp")
    ]  # fmt: skip


def of_idempotency(rows: Rows) -> Metrics:
    ((count, size),) = rows
    return [
        Sample("idempotency_keys", "gauge", "Idempotency keys kept, by the planner's estimate.", count),
        Sample("idempotency_bytes", "gauge", "Disk that idempotency keys take, indexes included.", size),
    ]


def of_days(rows: Rows) -> Metrics:
    return [
        Sample("partition_days_ahead", "gauge", "Days, today included, that have a partition.", rows[0][0])
    ]


def of_commands(rows: Rows) -> Metrics:
    return [
        Sample(
            "commands_waiting", "gauge", "Commands that no engine has applied yet; up to 10,000.", rows[0][0]
        )
    ]


MEASURES: tuple[tuple[str, str, Callable[[Rows], Metrics]], ...] = (
    ("engines", ENGINES, of_engines),
    ("ingest", INGEST, of_ingest),
    ("lag", LAG, of_lag),
    ("parcels", PARCELS, of_parcels),
    ("dues", DUES, of_dues),
    ("breakers", BREAKERS, of_breakers),
    ("commands", COMMANDS, of_commands),
    ("days", DAYS_AHEAD, of_days),
    ("idempotency", IDEMPOTENCY, of_idempotency),
)


def measure(*, clock: Callable[[], float] = time.monotonic) -> Metrics:
    """All of them; what fails or comes too late is told by `measure_failed` and the log."""
    found: Metrics = []
    until = clock() + ALTOGETHER_S
    failed = dict.fromkeys((name for name, _, _ in MEASURES), 1)
    try:
        with session(name="metrics", statement_s=STATEMENT_S, options=PLANS) as connection:
            for name, sql, read in MEASURES:
                if clock() > until:
                    logger.warning("the measure %s was left out: the others took too long", name)
                    continue
                try:
                    found += read(connection.execute(sql).fetchall())
                    failed[name] = 0
                except (psycopg.errors.QueryCanceled, psycopg.errors.UndefinedTable) as error:
                    logger.warning("the measure %s failed: %s", name, str(error).strip())
    except psycopg.Error as error:
        logger.warning("the database can't be measured: %s", str(error).strip())
    help = "1: this could not be measured; its metrics are missing."
    return found + [
        Sample("measure_failed", "gauge", help, value, (("measure", n),)) for n, value in failed.items()
    ]
