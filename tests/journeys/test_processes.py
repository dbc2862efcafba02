"""More processes, and refusals at start: what an operator sees who scales out or mistypes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from hub.env import VARIABLES
from tests.conftest import Hub
from tests.embedded import ROOT, free_port
from tests.journeys.room import Room
from tests.receiver import ReceiverThread

OURS = {variable.name for variable in VARIABLES}


def environment(hub: Hub) -> dict[str, str]:
    """What the running hub's processes see."""
    lines = (hub.local / "runtime.env").read_text().splitlines()
    return {**os.environ, **dict(line.split("=", 1) for line in lines)}


def test_an_event_on_a_connection_of_the_pages_is_refused_while_ingest_is_away(
    hub: Hub, room: Room, tmp_path: Path
) -> None:
    port = free_port()
    env = environment(hub) | {"PORT": str(port), "HANDOVER": str(tmp_path / "doors")}
    roles = [
        subprocess.Popen([sys.executable, "-W", "ignore", "-m", "hub.serve", role], cwd=ROOT, env=env,
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for role in ("web", "pages")
    ]  # fmt: skip
    web = roles[0]
    try:
        limits = httpx.Limits(max_connections=1)
        url, key = f"http://127.0.0.1:{port}", {"Authorization": f"Bearer {room.key}"}
        with httpx.Client(base_url=url, limits=limits, headers=key, timeout=10) as client:
            until = time.monotonic() + 30
            status = 0
            while status != 200 and time.monotonic() < until:
                try:
                    status = client.get("/api/v1/subscriptions").status_code
                except httpx.TransportError:
                    time.sleep(0.05)
            assert status == 200
            web.kill()
            web.wait(10)
            answer = client.post("/api/v1/events", json={"type": "a.b", "data": 1})
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert "nothing was stored" in answer.json()["detail"]
        assert room.rows("select count(*) from event where env = %s", room.env) == [(0,)]
    finally:
        for process in roles:
            process.terminate()
            process.wait(20)


@pytest.fixture
def second_ingest(hub: Hub, tmp_path: Path) -> Iterator[str]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "hub.serve", "web"], cwd=ROOT,
        env=environment(hub) | {"PORT": str(port), "HANDOVER": str(tmp_path / "doors")}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    url, until = f"http://127.0.0.1:{port}", time.monotonic() + 30
    while time.monotonic() < until:
        try:
            if httpx.get(f"{url}/livez").is_success:
                break
        except httpx.HTTPError:
            time.sleep(0.05)
    yield url
    process.terminate()
    process.wait(20)


def test_an_ingest_process_of_its_own_takes_events_and_nothing_else(
    second_ingest: str, room: Room, receiver: ReceiverThread
) -> None:
    room.subscribe(receiver.url("/hook"))
    with httpx.Client(base_url=second_ingest, headers={"Authorization": f"Bearer {room.key}"}) as client:
        event = {"type": "a.b", "data": 1}
        assert client.post("/api/v1/events", json=event).status_code == 202
        # No pages serve at its door.
        refused = client.get("/api/v1/subscriptions")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        # A body in pieces goes through the server's own protocol, and to the same answer.
        pieces = iter([b'{"type":"a.b",', b'"data":2}'])
        chunked = client.post("/api/v1/events", content=pieces, headers={"Content-Type": "application/json"})
        assert chunked.status_code == 202
    receiver.wait_for(2, "/hook")


def test_two_requests_in_one_packet_are_answered_in_order(hub: Hub, room: Room) -> None:
    body = b'{"type":"a.b","data":1}'
    head = (
        f"POST /api/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {room.key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    with socket.create_connection(("127.0.0.1", httpx.URL(hub.url).port or 80), timeout=10) as connection:
        connection.sendall(head + body + head + body[:7])
        connection.sendall(body[7:])
        got = b""
        while got.count(b'"evt_') < 2:
            piece = connection.recv(65536)
            assert piece, got
            got += piece
    assert got.count(b"HTTP/1.1 202 ") == 2
    assert room.rows("select count(*) from event where env = %s", room.env) == [(2,)]


def test_a_connection_goes_to_and_fro_between_events_and_pages(hub: Hub, room: Room) -> None:
    limits = httpx.Limits(max_connections=1)
    with httpx.Client(
        base_url=hub.url, limits=limits, headers={"Authorization": f"Bearer {room.key}"}
    ) as client:
        sockets = set()
        for number in range(4):
            posted = client.post("/api/v1/events", json={"type": "a.b", "data": number})
            assert posted.status_code == 202
            found = client.get(f"/api/v1/events/{posted.json()['id']}")
            assert (found.status_code, found.json()["data"]) == (200, number)
            sockets.add(found.extensions["network_stream"].get_extra_info("client_addr"))
    assert len(sockets) == 1


def test_a_request_line_in_pieces_finds_its_server(hub: Hub, room: Room) -> None:
    head = f" HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {room.key}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", httpx.URL(hub.url).port or 80), timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in (b"G", b"ET /api/v1", b"/events?limit=1", head[:9], head[9:]):
            connection.sendall(piece)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"PORT": "eighty"}, "PORT must be a whole number from 1 to 65535; 'eighty' is not"),
        ({"LOG_LEVEL": "LOUD"}, "LOG_LEVEL must be one of DEBUG, INFO, WARNING, ERROR"),
        ({"OUTBOUND_NETWORKS": "home"}, "OUTBOUND_NETWORKS must be networks such as 127.0.0.0/8"),
        ({"DATABASE_URL": "mysql://x/y"}, "DATABASE_URL must be a URL that starts with postgresql://"),
        (
            {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"},
            "The database of DATABASE_URL can't be reached",
        ),
    ],
)
def test_a_wrong_start_ends_with_one_sentence_that_says_what_to_do(
    tmp_path: Path, given: dict[str, str], said: str
) -> None:
    env = {name: value for name, value in os.environ.items() if name not in OURS}
    env |= {"TRUNKLINE_LOCAL": str(tmp_path), "PORT": str(free_port()), **given}
    if "DATABASE_URL" in given:
        env["REDIS_URL"] = "redis://127.0.0.1:1/0"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "hub.ops.local.supervisor"], cwd=ROOT, env=env, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_a_taken_port_is_said_before_anything_is_started(tmp_path: Path, hub: Hub) -> None:
    env = {name: value for name, value in os.environ.items() if name not in OURS}
    env |= {"TRUNKLINE_LOCAL": str(tmp_path), "PORT": str(httpx.URL(hub.url).port)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "hub.ops.local.supervisor"], cwd=ROOT, env=env, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, "is taken" in done.stderr) == (1, True)
    assert not (tmp_path / "postgres").exists()
