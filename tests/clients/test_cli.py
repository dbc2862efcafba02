"""The one-file client as a person has it: fetched from the hub, run by a bare Python."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from hub.ops.receiver import Behaviour
from tests.conftest import Hub
from tests.journeys.room import Room, enter, wait_until
from tests.receiver import ReceiverThread, running


@pytest.fixture
def room(hub: Hub):  # type: ignore[no-untyped-def]
    made = enter(hub)
    yield made
    made.leave()


@pytest.fixture
def receiver():  # type: ignore[no-untyped-def]
    with running() as started:
        yield started


@pytest.fixture
def cli(room: Room, tmp_path: Path) -> list[str]:
    answer = httpx.get(f"{room.hub.url}/cli.py")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/x-python; charset=utf-8")
    (tmp_path / "cli.py").write_bytes(answer.content)
    # Without site-packages: the standard library alone.
    return [sys.executable, "-I", "-S", str(tmp_path / "cli.py"), "--hub", room.hub.url, "--key", room.key]


def run(cli: list[str], *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*cli, *words], capture_output=True, text=True, timeout=60, input=stdin, check=False
    )


def started(room: Room, cli: list[str], *words: str) -> subprocess.Popen[str]:
    """Running, and its position there."""
    process = subprocess.Popen([*cli, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: room.api.get("/consumption").json()["data"], what="a position")
    return process


def test_send_and_tail(room: Room, cli: list[str]) -> None:
    process = started(room, cli, "tail", "--types", "order.*", "--count", "2", "--json")
    sent = run(cli, "send", "order.created", '{"id": 1}', "--subject", "order-1")
    assert sent.returncode == 0, sent.stderr
    run(cli, "send", "user.created", "{}")
    run(cli, "send", "order.paid", "-", stdin='{"id": 1, "total": 9.5}')
    out, _ = process.communicate(timeout=30)
    events = [json.loads(line) for line in out.splitlines()]
    assert [event["type"] for event in events] == ["order.created", "order.paid"]
    assert events[0]["id"] == sent.stdout.strip()
    assert events[1]["data"] == {"id": 1, "total": 9.5}
    # Its position is gone with it.
    assert room.api.get("/consumption").json()["data"] == []


def test_listen_forwards_in_order_and_again_what_was_not_taken(
    room: Room, cli: list[str], receiver: ReceiverThread
) -> None:
    receiver.behave(Behaviour.failing(500, first=1), path="/local")
    process = started(room, cli, "listen", receiver.url("/local"), "--name", "laptop", "--count", "3")
    made = [room.post("order.created", {"id": number}) for number in range(3)]
    out, _ = process.communicate(timeout=40)
    assert "→ 500" in out
    got = receiver.requests("/local")
    assert [one.headers["webhook-id"] for one in got] == [made[0], *made]
    assert [json.loads(one.body)["data"] for one in got][1:] == [{"id": number} for number in range(3)]
    # A named position stays, and goes on where it was.
    assert [row["name"] for row in room.api.get("/consumption").json()["data"]] == ["laptop"]


def test_replay_shows_a_plan_and_sends_when_told(
    room: Room, cli: list[str], receiver: ReceiverThread
) -> None:
    receiver.behave(Behaviour(status=413, first=3), path="/dead")
    made = room.subscribe(receiver.url("/dead"))["id"]
    for number in range(3):
        room.post("order.created", {"id": number})
    room.settled(made, 3)
    plan = run(cli, "replay", "status:dead")
    assert plan.returncode == 0, plan.stderr
    assert "3 deliveries" in plan.stdout
    assert "nothing is sent" in plan.stdout
    assert len(receiver.requests("/dead")) == 3
    done = run(cli, "replay", "status:dead", "--yes")
    assert done.returncode == 0, done.stderr
    assert "3 delivered, 0 dead, 0 waiting" in done.stdout
    assert len(receiver.requests("/dead")) == 6
    delivery = room.api.get("/deliveries?status=delivered").json()["data"][0]["id"]
    again = run(cli, "requeue", delivery)
    assert again.returncode == 0, again.stderr
    receiver.wait_for(7, "/dead")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("send", "order.created", "{nonsense"), "no JSON"),
        (("send", "order created"), "order created"),
        (("send", "order.created", "@/nowhere/at/all"), "can't be read"),
        (("replay", "statsu:dead"), "Did you mean status"),
        (("requeue", "dlv_nobody"), "404"),
    ],
)
def test_what_goes_wrong_is_a_sentence(cli: list[str], words: tuple[str, ...], told: str) -> None:
    done = run(cli, *words)
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_key_or_a_hub_it_says_so(cli: list[str]) -> None:
    assert "TRUNKLINE_KEY" in run([*cli[:4]], "send", "a").stderr
    away = run([*cli[:4], "--hub", "http://127.0.0.1:9", "--key", "x"], "send", "a")
    assert "can't be reached" in away.stderr
