"""Looks at PostgreSQL: reachable by sessions of its own, durable, its clock right, roles apart. It changes
nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import psycopg
from psycopg import sql

from hub.ops.doctor.finding import Finding, fail, ok, warn
from hub.ops.session import session

OLDEST_VERSION = 15
SKEW_WARN_S = 1.0
SKEW_FAIL_S = 60.0
PROXY_DO = (
    "Point DATABASE_URL at PostgreSQL itself, or at a proxy in session mode: locks and LISTEN need a session."
)

Connection = psycopg.Connection[tuple[Any, ...]]

SETTINGS = """
select current_setting('server_version_num')::int / 10000, current_setting('server_version'),
       current_setting('server_encoding'), current_setting('fsync'), current_setting('full_page_writes'),
       current_setting('synchronous_commit'), pg_is_in_recovery()"""
ROLES = """
select current_user, (select rolsuper from pg_roles where rolname = current_user),
  (select pg_get_userbyid(relowner) from pg_class where oid = to_regclass('event')),
  array(select t from unnest(array['event', 'attempt', 'routed', 'breaker_fact']) t
        where to_regclass(t) is not null and (has_table_privilege(t, 'UPDATE') or has_table_privilege(t, 'DELETE')))"""
CLOCK = "select extract(epoch from clock_timestamp())::float8"
PID = "select pg_backend_pid()"


def row(connection: Connection, statement: str, values: Any = None) -> tuple[Any, ...]:
    found = connection.execute(statement, values).fetchone()
    assert found is not None
    return found


def settings(
    *, major: int, version: str, encoding: str, fsync: str, pages: str, commit: str, recovery: bool
) -> Iterator[Finding]:
    """Pure: judges what SETTINGS gave."""
    if major < OLDEST_VERSION:
        yield fail("PostgreSQL", f"version {version}", f"Upgrade to {OLDEST_VERSION} or later.")
    else:
        yield ok("PostgreSQL", f"version {version}")
    if recovery:
        yield fail("PostgreSQL", "is a standby that takes no writes", "Point DATABASE_URL at the primary.")
    if encoding != "UTF8":
        yield fail("encoding", f"the database is in {encoding}", "Create the database with ENCODING 'UTF8'.")
    unsafe = [
        f"{name}=off" for name, value in (("fsync", fsync), ("full_page_writes", pages)) if value == "off"
    ]
    if commit == "off":
        unsafe.append("synchronous_commit=off")
    if unsafe:
        yield fail("durability", f"{', '.join(unsafe)}: an accepted event can be lost in a crash",
                   "Set each of them to on in postgresql.conf and reload.")  # fmt: skip
    else:
        yield ok("durability", f"fsync, full_page_writes on; synchronous_commit {commit}")


def roles(*, user: str, superuser: bool, owner: str | None, writable: Sequence[str]) -> Finding:
    """Pure: judges what ROLES gave."""
    if superuser:
        return warn("roles", f"{user} is a superuser, whom no guard stops",
                    "Serve with a lesser role; keep the owner in DATABASE_OWNER_URL and run `manage.py prepare`.")  # fmt: skip
    if owner == user:
        return warn("roles", f"{user} serves and owns the tables, so it could take off their guards",
                    "Make a second role for DATABASE_URL, name this one in DATABASE_OWNER_URL, run `manage.py prepare`.")  # fmt: skip
    if writable:
        return warn("roles", f"{user} may change facts in {', '.join(writable)}",
                    "Run `manage.py prepare`, which takes that right away.")  # fmt: skip
    return ok("roles", f"{user} serves, {owner or 'nobody'} owns")


def clock(*, ahead_s: float) -> Finding:
    """`ahead_s`: the database's clock less this machine's."""
    detail = f"the database's is {abs(ahead_s):.2f} s {'ahead' if ahead_s > 0 else 'behind'}"
    do = "Run a time service (chrony, systemd-timesyncd) on both machines."
    if abs(ahead_s) > SKEW_FAIL_S:
        return fail("clock", f"{detail}: receivers refuse signatures with a wrong time", do)
    return warn("clock", detail, do) if abs(ahead_s) > SKEW_WARN_S else ok("clock", detail)


def proxy(first: Connection, second: Connection) -> Finding:
    """Finds a proxy that gives each transaction another server session, even when only one is idle behind it."""
    (before,) = row(first, PID)
    with second.transaction():
        # While this transaction holds a server session, a pooler can't give the same one to the first.
        (other,) = row(second, PID)
        (after,) = row(first, PID)
    if before != after or before == other:
        return fail("sessions", "a transaction-pooling proxy stands before the database", PROXY_DO)
    key = secrets.randbelow(2**31)
    row(first, "select pg_advisory_lock(12, %s)", [key])
    (held,) = row(second, "select not pg_try_advisory_lock(12, %s)", [key])
    (freed,) = row(first, "select pg_advisory_unlock(12, %s)", [key])
    if not (held and freed):
        return fail("sessions", "session locks don't hold", PROXY_DO)
    channel = f"trunkline_doctor_{key}"
    first.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))
    second.execute("select pg_notify(%s, '')", [channel])
    if not list(first.notifies(timeout=2, stop_after=1)):
        return fail("sessions", "LISTEN hears nothing", PROXY_DO)
    first.execute(sql.SQL("unlisten {}").format(sql.Identifier(channel)))
    return ok("sessions", "session locks hold, LISTEN hears")


def look(*, now: Callable[[], float]) -> Iterator[Finding]:
    """All of it; `now` gives seconds since 1970. Raises psycopg.Error only after the first finding."""
    try:
        with session(name="doctor") as first, session(name="doctor") as second:
            names = ("major", "version", "encoding", "fsync", "pages", "commit", "recovery")
            yield from settings(**dict(zip(names, row(first, SETTINGS), strict=True)))
            user, superuser, owner, writable = row(first, ROLES)
            yield roles(user=user, superuser=superuser, owner=owner, writable=writable)
            begun = now()
            (theirs,) = row(first, CLOCK)
            yield clock(ahead_s=theirs - (begun + now()) / 2)
            yield proxy(first, second)
    except psycopg.OperationalError as error:
        told = str(error).strip()
        if "startup parameter" in told:
            yield fail("sessions", f"a proxy refuses session settings: {told}", PROXY_DO)
        else:
            yield fail("PostgreSQL", told, "Check that the server runs and that DATABASE_URL is right.")
