"""What happened is in the statistics within two seconds, is the same after a rebuild, and subjects have a state."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

from hub.ops.receiver import Behaviour
from tests import embedded
from tests.conftest import Hub
from tests.journeys.room import Room, wait_until
from tests.receiver import ReceiverThread

BEHIND_S = 2.5


def figures(room: Room, query: str = "") -> dict[str, Any]:
    answer = room.api.get(f"/statistics?since=1h&grain=minute{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()["total"]


def command(hub: Hub, *words: str) -> subprocess.CompletedProcess[str]:
    settings = dict(line.split("=", 1) for line in (hub.local / "runtime.env").read_text().splitlines())
    return subprocess.run(
        [sys.executable, "-W", "ignore", "manage.py", *words], cwd=embedded.ROOT, capture_output=True, text=True,
        env={**os.environ, **settings}, check=False, timeout=120,
    )  # fmt: skip


def test_what_happened_is_counted_and_a_rebuild_counts_the_same(
    hub: Hub, room: Room, receiver: ReceiverThread
) -> None:
    receiver.behave([Behaviour(status=503), Behaviour(status=503), Behaviour()], path="/flaky")
    good = room.subscribe(receiver.url("/good"), "order.*")["id"]
    bad = room.subscribe(receiver.url("/flaky"), "order.failed", retry_schedule=[1, 1])["id"]
    for number in range(8):
        room.post("order.created", {"id": number})
    room.post("order.failed", {"id": 9})
    room.post("nobody.wants", {"id": 10})
    room.settled(good, 9)
    room.settled(bad, 3)

    def counted() -> dict[str, Any] | None:
        found = figures(room)
        return found if (found["attempts"], found["events"]) == (12, 10) else None

    total = wait_until(counted, seconds=BEHIND_S, what="counting")
    assert (total["failures"], total["retries"], total["delivered"], total["unmatched"]) == (2, 2, 10, 1)
    assert total["reasons"] == {"http-5xx": 2}
    assert 0 < total["latency"]["p50"] <= total["latency"]["p99"] <= total["latency"]["max"] * 1.02
    assert total["lag"]["p50"] < 2_000
    assert figures(room, f"&subscription={bad}")["attempts"] == 3
    assert figures(room, "&type=order.created")["delivered"] == 8
    top = room.api.get("/statistics/top?by=subscription&since=1h").json()["data"]
    assert [(row["id"], row["failures"]) for row in top] == [(bad, 2)]

    tables = ("insight_deliveries", "insight_events")
    lived = {
        table: room.rows(f"select * from {table} where env = %s order by 1, 2, 3, 4, 5, 6", room.env)
        for table in tables
    }
    assert len(lived["insight_deliveries"]) >= 12
    done = command(hub, "rebuild-readmodels")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "as far as they were" in done.stdout
    for table, rows in lived.items():
        assert room.rows(f"select * from {table} where env = %s order by 1, 2, 3, 4, 5, 6", room.env) == rows


def test_a_subject_has_a_state_and_a_past_and_its_type_a_compacted_view(room: Room) -> None:
    old = room.post("cart.changed", {"items": 1}, subject="cart-1")
    made = room.api.post(
        "/projections", json={"pattern": "cart.*", "semantics": "merge-patch", "keys": ["buyer.id"]}
    ).json()
    room.post("cart.changed", {"items": 2, "buyer": {"id": 42}}, subject="cart-1")
    last = room.post("cart.changed", {"paid": True}, subject="cart-1")
    room.post("cart.changed", {"items": 5}, subject="cart-2")
    now = room.api.get("/entities/state", params={"subject": "cart-1"}).json()
    assert now["state"]["value"] == {"items": 2, "buyer": {"id": 42}, "paid": True}
    assert now["state"]["event"] == last
    told = room.api.get("/entities/timeline", params={"subject": "cart-1"}).json()["data"]
    assert [row["event"] for row in told][-1] == old
    assert told[-1]["changes"]["listed"] == [{"kind": "added", "pointer": ""}]

    def compacted() -> Any:
        found = room.api.get("/entities?type=cart.changed").json()
        return found if len(found["data"]) == 2 and found["data"][0]["event"]["id"] == last else None

    view = wait_until(compacted, seconds=BEHIND_S, what="the compacted view")
    # Whoever has read it goes on with the log, and misses nothing.
    upto = view["offsets"][str(room.shard)]
    new = room.post("cart.changed", {"items": 6}, subject="cart-2")
    log = room.api.get(f"/events/log?shard={room.shard}&after={upto}").json()["data"]
    assert log[-1]["id"] == new
    assert all(event["seq"] > upto for event in log)
    wait_until(
        lambda: room.api.get(f"/projections/{made['id']}").json()["indexed_at"], seconds=15, what="indexing"
    )
    assert room.rows("select path, value from event_key where env = %s", room.env) == [("buyer.id", "n42")]
