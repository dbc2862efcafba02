"""A receiver that is killed again and again acts once for each event, though the hub repeats itself."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg
import pytest
from trunkline_consumer.psycopg import create_table

from tests.clients.conftest import KIT
from tests.clients.projects import ROOT
from tests.conftest import Hub
from tests.journeys.room import Room, enter, wait_until

SEED = 20260101
EVENTS = 300
STAGES = ("before the work", "in the transaction", "after the commit", "in the answer")
FROM_OUTSIDE = "from outside"
DEATHS = [*STAGES * 3, *[FROM_OUTSIDE] * 4]
# An effect was committed and its answer never came, so the hub must have repeated it.
SURE_TO_REPEAT = ("after the commit", "in the answer")
TABLES = ("create table effects (event text)", "create table handlings (id text, first boolean)")


@pytest.fixture
def room(hub: Hub) -> Iterator[Room]:
    made = enter(hub)
    yield made
    made.leave()


@contextmanager
def living(listener: socket.socket, env: dict[str, str], *doom: str) -> Iterator[subprocess.Popen[str]]:
    """A receiver from its start until it is dead."""
    number = listener.fileno()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.clients.mortal", str(number), *doom],
        cwd=ROOT, env=env, pass_fds=[number], stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def test_killed_at_any_moment_it_acts_once_for_each_event(room: Room, database: str) -> None:
    chance = random.Random(SEED)
    deaths = chance.sample(DEATHS, len(DEATHS))
    with (
        psycopg.connect(database, autocommit=True) as connection,
        socket.create_server(("127.0.0.1", 0)) as listener,
    ):
        create_table(connection)
        for table in TABLES:
            connection.execute(table)
        # The listening socket outlives each receiver, so requests queue instead of opening the breaker; four at a time
        # fail with each, one less than a breaker bears.
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        made = room.subscribe(url, retry_schedule=[1] * 20, parallelism=4, timeout_s=5)
        env = {
            **os.environ, "DATABASE_URL": database, "TRUNKLINE_SECRET": made["secret"], "PYTHONPATH": f"{ROOT}:{KIT}"
        }  # fmt: skip
        items = [{"type": "order.created", "data": {"id": number}} for number in range(EVENTS)]
        answer = room.api.post("/events/batch", json={"events": items}).raise_for_status().json()
        events = [item["id"] for item in answer["events"]]
        for death in deaths:
            if death == FROM_OUTSIDE:
                with living(listener, env) as process, suppress(subprocess.TimeoutExpired):
                    process.wait(chance.uniform(0.01, 0.2))
            else:
                with living(listener, env, death, str(chance.randint(5, 12))) as process:
                    process.wait(15)
            assert process.returncode == -signal.SIGKILL
        with living(listener, env):
            wait_until(lambda: room.waiting(made["id"]) == 0, seconds=20, what="the end of all deliveries")
        effects = Counter(event for (event,) in connection.execute("select event from effects"))
        (repeats,) = connection.execute("select count(*) from handlings where not first").fetchone()  # type: ignore[misc]
    assert effects == Counter(events)
    assert len(effects) == EVENTS
    assert repeats >= sum(death in SURE_TO_REPEAT for death in deaths)
    room.settled(made["id"], EVENTS + sum(death in STAGES for death in deaths))
