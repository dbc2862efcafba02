"""Schemathesis against the running hub: every operation of the document, all checks, a fixed seed; nothing is found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from hub.core.jsonbytes import loads
from tests.conftest import Hub
from tests.embedded import ROOT
from tests.journeys.room import Room, enter, wait_until

pytestmark = pytest.mark.journey
HERE = Path(__file__).parent
NOBODY = "http://127.0.0.1:9/"


@pytest.fixture
def room(hub: Hub) -> Iterator[Room]:
    made = enter(hub)
    yield made
    made.leave()


def made(room: Room, path: str, **body: Any) -> dict[str, Any]:
    answer = room.api.post(path, json=body)
    assert answer.status_code < 300, answer.text
    return answer.json()


def real_ids(room: Room) -> dict[str, list[str]]:
    """Something of each kind, so that not every id that is drawn leads nowhere."""
    room.subscribe(NOBODY, "order.*", retry_schedule=[])
    waiting = room.subscribe(NOBODY, "order.*")
    made(room, f"/subscriptions/{waiting['id']}/pause")
    events = [room.post("order.created", subject="o") for _ in range(4)]

    def ended() -> list[str] | None:
        found = room.api.get("/deliveries", params={"status": "dead", "limit": 200}).json()["data"]
        return [row["id"] for row in found] if len(found) == len(events) else None

    dead = wait_until(ended, what="dead letters")
    open_ = [row["id"] for row in room.api.get("/deliveries", params={"status": "waiting"}).json()["data"]]
    assert len(open_) == len(events)
    return {
        "event": events,
        "delivery": dead[:2] + open_[:2],
        "command": [made(room, f"/deliveries/{dead[2]}/requeue")["command"]],
        "subscription": [room.subscribe(NOBODY, "note.*")["id"] for _ in range(3)],
        "consumer": [made(room, "/consumers", uid=f"shop-{number}")["id"] for number in range(3)],
        "member": [
            made(room, "/members", email=f"m{number}-{room.tenant}@example.com", role="viewer")["id"]
            for number in range(3)
        ],
        "sink": [made(room, "/sinks", name=f"sink {number}")["id"] for number in range(3)],
        "key": [made(room, "/keys", scopes=["events:read"])["id"] for _ in range(3)],
        "position": [made(room, "/consumption", name=f"ledger-{number}")["name"] for number in range(3)],
    }


def own_key(room: Room) -> str:
    (found,) = [row for row in room.api.get("/keys").json()["data"] if room.key.startswith(row["prefix"])]
    return found["id"]


def configuration(room: Room) -> str:
    """The settings beside this file, and the ids to draw from."""
    ids = real_ids(room)
    lines = [(HERE / "schemathesis.toml").read_text()]
    lines += [f"[dictionaries.{name}]\nvalues = {json.dumps(values)}" for name, values in ids.items()]
    lines.append("[parameters]")
    lines += [f'"path.{name}" = {{ dictionary = "{name}", probability = 0.6 }}' for name in ids]
    return "\n".join(lines)


def test_nothing_is_found(hub: Hub, room: Room, tmp_path: Path) -> None:
    config = tmp_path / "schemathesis.toml"
    config.write_text(configuration(room))
    # The client is not ours to cover, and Python 3.11 parses its deep expressions wrongly while it is traced.
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    ran = subprocess.run(
        [
            sys.executable, "-W", "ignore", "-m", "schemathesis.cli", "--config-file", str(config), "run",
            f"{hub.url}/api/v1/openapi.json", "--header", f"Authorization: Bearer {room.key}", "--checks", "all",
            "--phases", "examples,coverage,fuzzing,stateful", "--no-color", "--generation-database", "none",
            "--report", "json", "--report-json-path", str(tmp_path / "report.json"),
        ],
        cwd=tmp_path, env={**env, "PYTHONPATH": str(ROOT), "TRUNKLINE_TEST_KEY_ID": own_key(room)}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-8000:] + ran.stderr[-2000:]
    report = loads((tmp_path / "report.json").read_bytes())
    operations = sum(
        len(methods) for methods in httpx.get(f"{hub.url}/api/v1/openapi.json").json()["paths"].values()
    )
    assert operations >= 70
    assert (report["operations"]["tested"], report["operations"]["skipped"]) == (operations, 0)
    assert (report["failures"], report["errors"], report["test_cases"]["with_failures"]) == ([], [], 0)
    assert {name: phase["status"] for name, phase in report["phases"].items()} == dict.fromkeys(
        ("examples", "coverage", "fuzzing", "stateful"), "success"
    )
    assert report["test_cases"]["generated"] > 1500
    # The key still opened everything, and ids led somewhere; but for rows that an earlier case had deleted.
    assert report["warnings"]["missing_auth"] == []
    assert len(report["warnings"]["missing_test_data"]) <= 6, report["warnings"]["missing_test_data"]
