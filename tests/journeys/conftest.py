"""Rooms and receivers for journeys."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import Hub
from tests.journeys.room import Room, enter
from tests.receiver import ReceiverThread, running


@pytest.fixture
def room(hub: Hub) -> Iterator[Room]:
    made = enter(hub)
    yield made
    made.leave()


@pytest.fixture
def receiver() -> Iterator[ReceiverThread]:
    with running() as started:
        yield started
