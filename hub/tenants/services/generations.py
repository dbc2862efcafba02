"""The counters by which caches of keys and subscriptions learn of a change.

They count in the change's own transaction.
"""

from __future__ import annotations

from django.db import connection


class NotInTransaction(RuntimeError):
    """bump() was called outside a transaction: its count would be seen before the change it stands for."""


def bump(name: str) -> int:
    """Count one change of "keys" or "subscriptions"; the new value.

    The counter's row stays locked until the caller commits, so the values follow the order of the commits.
    Who counts both counts "keys" first, and locks rows before either (FOR NO KEY UPDATE, which lets others
    refer to them): so no two changes wait for each other.
    """
    if not connection.in_atomic_block:
        raise NotInTransaction(
            f"bump({name!r}) must stand in the transaction of the change; wrap both in atomic()"
        )
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO tenants_generation AS g (name, value) VALUES (%s, 1)"
            " ON CONFLICT (name) DO UPDATE SET value = g.value + 1 RETURNING value",
            [name],
        )
        value = int(cursor.fetchone()[0])
        # Engines hear of it as soon as it is committed, rather than with the next event.
        cursor.execute("SELECT pg_notify('hub_changes', %s)", [name])
        return value
