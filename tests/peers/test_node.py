"""Peers written by others, on Node: the public verifier takes what the hub sends, the public SDK sends what the hub takes."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.conftest import Hub
from tests.journeys.room import enter, wait_until

HERE = Path(__file__).parent
PLACE = HERE.parent.parent / ".local" / "peers"


@pytest.fixture(scope="module")
def place() -> Path:
    """A folder with the packages installed."""
    assert shutil.which("npm"), "install Node.js 20 with npm first (Debian: apt-get install nodejs npm)"
    PLACE.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "receiver.mjs", "sender.mjs"):
        shutil.copy(HERE / name, PLACE / name)
    subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "--silent"], cwd=PLACE, check=True, capture_output=True
    )
    return PLACE


@pytest.fixture
def node(place: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    process = subprocess.Popen(["node", "receiver.mjs"], cwd=place, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}", process
    process.terminate()
    process.wait(10)
    process.stdout.close()


def test_the_public_javascript_library_verifies_a_delivery(
    hub: Hub, node: tuple[str, subprocess.Popen[str]]
) -> None:
    url, process = node
    assert process.stdout is not None
    room = enter(hub)
    made = room.subscribe(f"{url}/one")
    httpx.post(f"{url}/secret/one", content=made["secret"]).raise_for_status()
    room.post("peer.asked", {"n": 1.5})
    assert json.loads(process.stdout.readline()) == {
        "verified": True,
        "type": "peer.asked",
        "data": {"n": 1.5},
    }
    room.settled(made["id"], 1)
    room.leave()


def test_the_public_sdk_of_cloudevents_is_understood(hub: Hub, place: Path) -> None:
    room = enter(hub)
    done = subprocess.run(
        ["node", "sender.mjs", hub.url, room.key], cwd=place, capture_output=True, text=True, check=True
    )
    assert [json.loads(line)["status"] for line in done.stdout.splitlines()] == [202, 202]
    rows = wait_until(
        lambda: room.rows("select source, convert_from(data, 'utf8') from event where env = %s", room.env)
    )
    assert rows == [("/peer", '{"n":1}')] * 2
    room.leave()
