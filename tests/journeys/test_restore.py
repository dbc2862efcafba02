"""A backup is restored as the manual says: looked at, started paused, and then it sends what waited."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from hub.ops.local import supervisor
from tests import embedded
from tests.conftest import Hub, wait_for_hub
from tests.journeys.room import enter, wait_until
from tests.receiver import ReceiverThread


def manage(hub: Hub, *words: str) -> subprocess.CompletedProcess[str]:
    settings = dict(line.split("=", 1) for line in (hub.local / "runtime.env").read_text().splitlines())
    return subprocess.run(
        [sys.executable, "-W", "ignore", "manage.py", *words], cwd=embedded.ROOT, capture_output=True, text=True,
        env={**os.environ, **settings}, check=False, timeout=120,
    )  # fmt: skip


def test_a_hub_that_is_started_paused_sends_nothing_until_it_is_started_again(
    tmp_path: Path, receiver: ReceiverThread
) -> None:
    port, local = embedded.free_port(), tmp_path / "hub"
    own = {"PORT": str(port), "PAUSED": "true"}
    process = embedded.start(local, **own)
    try:
        database = supervisor.environment(local, own)[0]["DATABASE_URL"]
        hub = wait_for_hub(local, port, database)
        room = enter(hub)
        made = room.subscribe(receiver.url("/later"))
        for number in range(5):
            room.post(data={"id": number})
        wait_until(lambda: room.waiting(made["id"]) == 5, what="the routing of all")
        assert receiver.requests("/later") == []
        looked = manage(hub, "backup-check")
        assert looked.returncode == 0, looked.stdout + looked.stderr
        assert "up to 5 deliveries wait for 1 subscriptions" in looked.stdout
        assert "PAUSED" in manage(hub, "doctor").stdout
    finally:
        embedded.stop(process)
    assert receiver.requests("/later") == []
    process = embedded.start(local, PORT=str(port))
    try:
        wait_for_hub(local, port, database)
        assert len(receiver.wait_for(5, "/later", deadline_s=20)) == 5
    finally:
        room.api.close()
        embedded.stop(process)
