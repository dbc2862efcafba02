"""An empty log in the test database, emptied again afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from hub.ops.session import session
from tests.ops.log import Log


@pytest.fixture
def log(django_db_setup: None, django_db_blocker: Any) -> Iterator[Log]:
    with django_db_blocker.unblock(), session(name="test", statement_s=20) as connection:
        log = Log(connection)
        log.empty()
        yield log
        log.empty()
