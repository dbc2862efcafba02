"""The cast, and clients with their keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction

from tests.api.client import Api
from tests.cast import Cast, make_cast


@pytest.fixture(scope="module")
def shared_cast(django_db_setup: None, django_db_blocker: Any) -> Iterator[Cast]:
    """Made once a module, in a transaction around its tests that is never committed."""
    around = transaction.atomic()
    with django_db_blocker.unblock():
        around.__enter__()
        cast = make_cast()
    yield cast
    with django_db_blocker.unblock():
        transaction.set_rollback(True)
        around.__exit__(None, None, None)


@pytest.fixture
def cast(shared_cast: Cast, db: None) -> Cast:
    return shared_cast


@pytest.fixture
def alice(cast: Cast) -> Api:
    return Api(cast.alice.live_key)


@pytest.fixture
def acme(cast: Cast) -> Api:
    return Api(cast.acme_key)
