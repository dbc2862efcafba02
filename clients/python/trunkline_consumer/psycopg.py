"""Ids of handled deliveries in PostgreSQL, through psycopg 3, in the transaction of the work. It opens no connection.

An id and the work it caused are committed together or not at all, so a repeat has no effect, wherever a process dies.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from psycopg import Connection
from psycopg.sql import SQL, Composed, Identifier

from trunkline_consumer.delivery import Delivery

__all__ = ["TABLE", "create_table", "once", "trim"]

TABLE = "trunkline_handled"
"""The same as the Django model's. Put a schema before it as in "shop.trunkline_handled"."""

_CREATE = """create table if not exists {} (
    id varchar(256) primary key,
    at timestamptz not null default now()
)"""
_INSERT = "insert into {} (id, at) values (%s, now()) on conflict do nothing returning true"
_TRIM = "delete from {} where at < now() - make_interval(days => %s)"


@contextmanager
def once(connection: Connection[Any], delivery: Delivery, *, table: str = TABLE) -> Iterator[bool]:
    """`with once(connection, delivery) as first:` do the work `if first`, on this connection. An exception undoes both.

    Commits at the end, if the connection was in no transaction. One that was is joined by a savepoint: then commit
    before you answer. While another transaction handles the same delivery this waits for its end, and `first` is
    True only if it failed. Under REPEATABLE READ that is a serialization error instead: answer 500, it comes again.
    """
    with connection.transaction():
        # A row, not a count: in pipeline mode counts are not known yet.
        yield connection.execute(_in(table, _INSERT), (delivery.id,)).fetchone() is not None


def create_table(connection: Connection[Any], *, table: str = TABLE) -> None:
    """Unless it is there. Call it when you migrate."""
    with connection.transaction():
        connection.execute(_in(table, _CREATE))


def trim(connection: Connection[Any], *, days: int = 30, table: str = TABLE) -> int:
    """Forget ids older than that; returns how many. A delivery lives 14 days at most, one requeued by hand longer."""
    with connection.transaction():
        return connection.execute(_in(table, _TRIM), (days,)).rowcount


def _in(table: str, statement: str) -> Composed:
    return SQL(statement).format(Identifier(*table.split(".")))  # type: ignore[arg-type]
