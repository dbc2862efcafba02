"""Looks at the hub's own tables: migrations, partitions, guards, engines, and whether every secret can be
opened.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import psycopg

from hub.core.sealing import SealError
from hub.eventlog.partitions import AHEAD_DAYS, LEAST_AHEAD_DAYS
from hub.ops.doctor.database import Connection, row
from hub.ops.doctor.finding import Finding, fail, ok, warn
from hub.ops.health import ENGINE_SILENT_S, PARENTS, database_checks
from hub.ops.session import session
from hub.routing.ownership import SHARD_LOCK, SHARDS
from hub.subscriptions import vault
from hub.subscriptions.models import Secret, Subscription

SAMPLE = 500
SOON_DAYS = 14
FACTS = ("event", "attempt", "routed")

DAYS = """
select current_date, p.parent, array_agg(to_date(right(c.relname, 8), 'YYYYMMDD') order by c.relname)
         filter (where c.relname is not null)
from unnest(%(parents)s::text[]) p(parent)
left join pg_inherits i on i.inhparent = to_regclass(p.parent) and not i.inhdetachpending
left join pg_class c on c.oid = i.inhrelid group by p.parent"""
# (table, trigger) that should be there and are not, or are off.
UNGUARDED = """
with wanted(rel, name) as (
  select t::regclass, n from unnest(array['event', 'attempt', 'routed', 'breaker_fact']) t,
                             unnest(array['append_only', 'append_only_truncate']) n
  union all
  select i.inhrelid::regclass, n from unnest(%(facts)s::text[]) t join pg_inherits i on i.inhparent = t::regclass,
                             unnest(array['append_only', 'append_only_truncate']) n
  union all
  select 'tenants_auditentry'::regclass, n from unnest(array['audit_rows_stay', 'audit_table_stays']) n)
select w.rel::text, w.name from wanted w where not exists (
  select from pg_trigger g where g.tgrelid = w.rel and g.tgname = w.name and g.tgenabled in ('O', 'A'))
order by 1, 2"""
OWNED = f"""
select count(distinct objid) from pg_locks
where locktype = 'advisory' and granted and objsubid = 2 and classid = {SHARD_LOCK}
and database = (select oid from pg_database where datname = current_database())"""
BEHIND_S = 30
FOLDING = f"""
select (select count(*)::int from reactor_skipped), (select error from reactor_skipped order by at desc limit 1),
  (select coalesce(max((r.value->>'behind_s')::float8), 0) from engine_status s, jsonb_each(s.stats->'reactors') r
   where s.at > clock_timestamp() - interval '{ENGINE_SILENT_S} seconds')"""
ENDING = """
select count(*), count(*) filter (where x.until <= now()),
       count(*) filter (where x.until > now() and x.until <= now() + make_interval(days => %(days)s))
from (select (client_certificate->>'not_after')::timestamptz as until from subscriptions_subscription
      where deleted_at is null and client_certificate is not null) x"""
ALIVE = f"""
select count(*) filter (where at > clock_timestamp() - interval '{ENGINE_SILENT_S} seconds') from engine_status"""


def partitions(*, today: date, days: Mapping[str, Sequence[date]]) -> Iterator[Finding]:
    """Pure. `days`: of each partitioned table, ascending."""
    for parent, there in sorted(days.items()):
        have = set(there)
        ahead = 0
        while today + timedelta(days=ahead + 1) in have:
            ahead += 1
        holes = [str(a + timedelta(days=1)) for a, b in pairwise(there) if b - a > timedelta(days=1)]
        name, make = f"{parent} days", "Start a worker: its engine makes partitions every ten minutes."
        if today not in have:
            yield fail(name, "none for today: nothing can be written", make)
        elif ahead < LEAST_AHEAD_DAYS:
            yield fail(name, f"{ahead} days ahead", make)
        elif holes:
            yield warn(
                name,
                f"days are missing from {', '.join(holes[:3])} on",
                "Restore them if they held data; else ignore.",
            )
        elif ahead < AHEAD_DAYS // 2:
            yield warn(name, f"{ahead} days ahead instead of {AHEAD_DAYS}", make)
        else:
            yield ok(name, f"{len(there)} partitions, {ahead} days ahead")


def guards(missing: Sequence[tuple[str, str]]) -> Finding:
    """Pure. `missing`: (table, trigger)."""
    if not missing:
        return ok("append-only", "every table of facts is guarded")
    shown = ", ".join(f"{trigger} on {table}" for table, trigger in missing[:3])
    return fail(
        "append-only", f"{len(missing)} guards are missing or off: {shown}",
        "As the owner: alter table … enable trigger …, or create it again as hub_guard() does.",
    )  # fmt: skip


def engines(*, alive: int, owned: int) -> Finding:
    """Pure."""
    if not alive:
        return fail("engine", "none is alive: events are kept but not delivered",
                    "Start a worker: celery -A hub.celery worker --pool threads (and ENGINE=true).")  # fmt: skip
    if owned < SHARDS:
        return fail("engine", f"{owned} of {SHARDS} shards are owned by {alive} engines",
                    "Wait 12 s and look again; if it stays, read the worker's log.")  # fmt: skip
    return ok("engine", f"{alive} alive, all {SHARDS} shards owned")


def folding(skipped: int, latest: str | None, behind_s: float) -> Finding:
    """Pure. `latest`: what the last skipped fact failed with; `behind_s`: of the reactor that has been behind longest."""
    if skipped:
        return warn("read models", f"{skipped} facts could not be folded, the last: {latest}",
                    "Statistics lack them. After the cause is mended, run `manage.py rebuild-readmodels`.")  # fmt: skip
    if behind_s > BEHIND_S:
        return warn(
            "read models",
            f"behind for {behind_s:.0f} s",
            "Look at the engine's load; it catches up by itself.",
        )
    return ok("read models", "all facts are folded")


def client_certificates(*, stored: int, ended: int, ending: int) -> Iterator[Finding]:
    """Pure. Of live subscriptions; `ending`: within SOON_DAYS."""
    if ended or ending:
        yield warn("client certificates", f"of {stored}, {ended} have expired and {ending} do within {SOON_DAYS} days",
                   "Tell their owners to set new ones; the API shows each subscription's not_after.")  # fmt: skip
    elif stored:
        yield ok("client certificates", f"{stored}, none expires within {SOON_DAYS} days")


def sealed(*, sample: int = SAMPLE) -> Finding:
    """Opens the newest and the oldest stored secrets."""
    opened = older = 0
    is_older = vault.keyring().needs_rotation
    errors: dict[str, int] = {}
    half = sample // 2
    secrets = Secret.objects.filter(subscription__deleted_at=None).select_related("subscription")
    for secret in {
        s.pk: s for s in [*secrets.order_by("-pk")[:half], *secrets.order_by("pk")[:half]]
    }.values():
        try:
            vault.open_secret(subscription=secret.subscription.uid, sealed=secret.sealed)
            opened += 1
            older += is_older(bytes(secret.sealed).decode())
        except SealError as error:
            errors[str(error)] = errors.get(str(error), 0) + 1
    rows = Subscription.objects.filter(deleted_at=None).exclude(
        headers_sealed=None, auth_sealed=None, client_certificate_sealed=None
    )
    for subscription in rows.order_by("-pk")[:sample]:
        for part, value in (
            ("headers", subscription.headers_sealed),
            ("auth", subscription.auth_sealed),
            ("client-certificate", subscription.client_certificate_sealed),
        ):
            try:
                vault.open_map(subscription=subscription.uid, part=part, sealed=value)
                opened += value is not None
                older += value is not None and is_older(bytes(value).decode())
            except SealError as error:
                errors[str(error)] = errors.get(str(error), 0) + 1
    if errors:
        worst = max(errors, key=lambda text: errors[text])
        return fail("sealing", f"{sum(errors.values())} of {opened + sum(errors.values())} secrets can't be opened: {worst}",
                    "Put the key that sealed them back into SEALING_KEYS, behind the first.")  # fmt: skip
    if older:
        return warn("sealing", f"{older} of {opened} secrets looked at are sealed under an older key",
                    "Run `manage.py rotate-sealing-key`; it says when the older key may go.")  # fmt: skip
    return ok("sealing", f"{opened} stored secrets opened")


def look() -> Iterator[Finding]:
    """All of it, as far as the tables are there. Raises psycopg.Error."""
    with session(name="doctor", statement_s=10) as connection:
        try:
            migrated = next(check for check in database_checks(connection) if check.name == "migrations")
        except psycopg.errors.UndefinedTable:
            yield fail("migrations", "the tables are not there", "Run `manage.py prepare`.")
            return
        if not migrated.ok:
            yield fail("migrations", migrated.detail, migrated.do)
            return
        yield ok("migrations", migrated.detail)
        yield from _tables(connection)
    yield sealed()


def _tables(connection: Connection) -> Iterator[Finding]:
    rows = connection.execute(DAYS, {"parents": list(PARENTS)}).fetchall()
    yield from partitions(today=rows[0][0], days={parent: days or [] for _, parent, days in rows})
    missing: list[tuple[Any, ...]] = connection.execute(UNGUARDED, {"facts": list(FACTS)}).fetchall()
    yield guards([(table, trigger) for table, trigger in missing])
    yield engines(alive=row(connection, ALIVE)[0], owned=row(connection, OWNED)[0])
    yield folding(*row(connection, FOLDING))
    (counts,) = connection.execute(ENDING, {"days": SOON_DAYS}).fetchall()
    yield from client_certificates(stored=counts[0], ended=counts[1], ending=counts[2])
