"""The cast, in a transaction around a module's tests; and a stage that other sessions see as well."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from hub.tenants.scoping import Scope
from tests.cast import Cast, make_cast
from tests.consumption.stage import Stage
from tests.eventlog.rows import never_committed


@pytest.fixture(scope="module")
def shared(django_db_setup: None, django_db_blocker: Any) -> Iterator[Cast]:
    with never_committed(django_db_blocker):
        cast = make_cast()
        # Three shards, whatever shards their ids would give.
        for consumer, shard in ((cast.acme, 41), (cast.globex, 42)):
            consumer.shard = shard
            consumer.save(update_fields=["shard"])
        yield cast


@pytest.fixture
def cast(shared: Cast, db: None) -> Cast:
    return shared


@pytest.fixture
def scope(cast: Cast) -> Scope:
    return cast.alice.scope


@pytest.fixture
def stage(django_db_setup: None, django_db_blocker: Any) -> Iterator[Stage]:
    """A position with three shards, committed; all but its events goes afterwards."""
    with django_db_blocker.unblock():
        made = Stage()
        yield made
        made.leave()
        connection.close()
