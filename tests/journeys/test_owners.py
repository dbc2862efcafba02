"""Two engines share the shards: one joins, one freezes and wakes, one is killed. A hub of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from hub.ops.local import supervisor
from tests import embedded
from tests.conftest import Hub, wait_for_hub
from tests.journeys.room import enter, wait_until
from tests.receiver import ReceiverThread

OWNERS = """select count(*), pid from pg_locks where locktype = 'advisory' and classid = 8 and objsubid = 2 and granted
group by pid order by pid"""


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Hub, psutil.Process]]:
    """A hub with two workers."""
    lines = (embedded.ROOT / "Procfile").read_text().splitlines()
    second = next(line for line in lines if line.startswith("worker:")).replace("worker:", "second:", 1)
    (tmp_path / "Procfile").write_text(
        "\n".join([*lines, second.replace(" worker ", " worker --hostname second@%h ")]) + "\n"
    )
    port, local = embedded.free_port(), tmp_path / "hub"
    process = embedded.start(local, PORT=str(port), PROCFILE=str(tmp_path / "Procfile"))
    env, _ = supervisor.environment(local, {"PORT": str(port)})
    try:
        yield wait_for_hub(local, port, env["DATABASE_URL"], seconds=120), psutil.Process(process.pid)
    finally:
        embedded.stop(process)


def shares(hub: Hub) -> list[int]:
    return sorted(count for count, _ in hub.rows(OWNERS))


@pytest.mark.drill
def test_a_frozen_owner_wakes_to_nothing_and_a_killed_one_is_replaced(
    pair: tuple[Hub, psutil.Process], receiver: ReceiverThread, request: pytest.FixtureRequest
) -> None:
    hub, parent = pair
    wait_until(lambda: shares(hub) == [32, 32], seconds=30, what="sharing the shards")
    room = enter(hub)
    request.addfinalizer(room.leave)
    for number in range(40):
        assert room.api.post("/consumers", json={"uid": f"c{number}"}).status_code == 201
    made = room.subscribe(receiver.url("/hook"), retry_schedule=[1] * 10)

    def load(count: int) -> None:
        events = [{"type": "a.b", "data": n, "consumer": f"c{n % 40}"} for n in range(count)]
        room.api.post("/events/batch", json={"events": events}).raise_for_status()

    load(400)
    receiver.wait_for(400, "/hook")
    workers = [child for child in parent.children() if " worker " in " ".join(child.cmdline())]
    frozen, living = workers
    frozen.suspend()
    load(400)
    wait_until(lambda: shares(hub) == [64], seconds=15, what="the take-over of the frozen owner's shards")
    receiver.wait_for(800, "/hook", deadline_s=15)
    frozen.resume()
    load(400)
    wait_until(lambda: shares(hub) == [32, 32], seconds=15, what="sharing them again")
    receiver.wait_for(1200, "/hook", deadline_s=15)
    begun = time.monotonic()
    os.kill(living.pid, signal.SIGKILL)
    load(400)
    receiver.wait_for(1600, "/hook", deadline_s=15)
    assert time.monotonic() - begun < 12
    wait_until(lambda: room.waiting(made["id"]) == 0)
    times = Counter(got.webhook_id for got in receiver.requests("/hook"))
    assert len(times) == 1600
    finals = room.rows(
        "select count(*), count(distinct seq) from attempt where sub = %s and finish = 1",
        room.number(made["id"]),
    )
    assert finals == [(1600, 1600)]
    checked = subprocess.run(
        [sys.executable, "-W", "ignore", "manage.py", "check-invariants"], cwd=embedded.ROOT, capture_output=True, text=True,
        env={**os.environ, **dict(line.split("=", 1) for line in (hub.local / "runtime.env").read_text().splitlines())}, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout + checked.stderr
