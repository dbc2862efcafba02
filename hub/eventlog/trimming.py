"""Forgetting rows in small batches, each a transaction of its own, so that nobody waits for it. What goes, the statement says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.db import connection

ROUNDS: Final = 400


def forget(statement: str, values: Mapping[str, Any], *, batch: int) -> int:
    """Run a DELETE of at most %(batch)s rows until one has fewer, or ROUNDS times; how many went."""
    gone = 0
    for _ in range(ROUNDS):
        with connection.cursor() as cursor:
            cursor.execute(statement, {**values, "batch": batch})
            count = cursor.rowcount
        gone += count
        if count < batch:
            break
    return gone
