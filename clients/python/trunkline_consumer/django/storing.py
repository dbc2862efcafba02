"""Storing an id with the work it causes, and forgetting old ones. It never commits a transaction that it did not begin."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, NotSupportedError, connections, transaction
from django.utils import timezone

from trunkline_consumer.delivery import Delivery

__all__ = ["once", "trim"]

_INSERT = "insert into trunkline_handled (id, at) values (%s, %s) on conflict do nothing"


@contextmanager
def once(delivery: Delivery, using: str = DEFAULT_DB_ALIAS) -> Iterator[bool]:
    """`with once(delivery) as first:` do the work `if first`, in this database. An exception undoes both.

    It is `transaction.atomic`: inside of another one it is a savepoint, and committed with that. While another
    transaction handles the same delivery this waits for its end, and `first` is True only if it failed.
    """
    connection = connections[using]
    if connection.vendor not in ("postgresql", "sqlite"):
        raise NotSupportedError(
            f"PostgreSQL and SQLite know ON CONFLICT DO NOTHING; {connection.vendor} does not"
        )
    with transaction.atomic(using=using):
        with connection.cursor() as cursor:
            now = connection.ops.adapt_datetimefield_value(timezone.now())
            cursor.execute(_INSERT, (delivery.id, now))
            first = cursor.rowcount == 1
        yield first


def trim(*, days: int = 30, using: str = DEFAULT_DB_ALIAS) -> int:
    """Forget ids older than that; returns how many. A delivery lives 14 days at most, one requeued by hand longer."""
    # By its name, since models can't be imported before the apps are ready.
    handled = apps.get_model("trunkline_consumer", "Handled").objects.using(using)
    deleted, _ = handled.filter(at__lt=timezone.now() - timedelta(days=days)).delete()
    return deleted
