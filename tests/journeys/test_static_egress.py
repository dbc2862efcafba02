"""A hub of its own behind a proxy: whatever leaves it for an endpoint or a token server goes through that."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hub.delivery.outcome import Reason
from hub.ops.local import supervisor
from hub.ops.receiver.certificates import Authority
from tests import embedded
from tests.conftest import wait_for_hub
from tests.core.proxy import ProxyServer, proxying
from tests.demanding import Demanding, TokenServer, running
from tests.journeys.room import Room, enter

CREDENTIALS = "hub:s3cret-of-proxy"


@pytest.fixture
def through() -> Iterator[ProxyServer]:
    """A proxy in a thread of its own."""
    started, ended = threading.Event(), asyncio.Event()
    found: list[ProxyServer] = []
    loop = asyncio.new_event_loop()

    async def live() -> None:
        async with proxying(credentials=CREDENTIALS) as proxy:
            found.append(proxy)
            started.set()
            await ended.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=[live()], daemon=True)
    thread.start()
    assert started.wait(10)
    yield found[0]
    loop.call_soon_threadsafe(ended.set)
    thread.join(10)
    loop.close()


@pytest.fixture
def public(tmp_path: Path) -> Authority:
    (tmp_path / "tls").mkdir()
    return Authority(tmp_path / "tls", now=datetime.now(UTC))


@pytest.fixture
def room(tmp_path: Path, through: ProxyServer, public: Authority) -> Iterator[Room]:
    port, local = embedded.free_port(), tmp_path / "hub"
    own = {
        "PORT": str(port),
        "OUTBOUND_PROXY": f"http://{CREDENTIALS}@localhost:{through.port}",
        "OUTBOUND_CA_FILE": str(public.ca_pem),
    }
    process = embedded.start(local, **own)
    try:
        database = supervisor.environment(local, own)[0]["DATABASE_URL"]
        made = enter(wait_for_hub(local, port, database))
        yield made
        made.leave()
    finally:
        embedded.stop(process)


def test_deliveries_and_token_requests_leave_through_the_proxy(
    room: Room, through: ProxyServer, public: Authority
) -> None:
    context = public.server_context()
    with (
        running(TokenServer(context=context)) as server,
        running(Demanding(server.demanded, context=context)) as target,
        running(Demanding()) as plain,
    ):
        ports = [server.server_port, target.server_port, plain.server_port]
        through.leads |= {f"127.0.0.1:{port}": port for port in ports}
        auth = {"kind": "oauth2", "token_url": server.url("/token", host="localhost"),
                "client_id": server.client, "client_secret": server.secret}  # fmt: skip
        made = room.subscribe(target.url("/hook", host="localhost"), "order.*", auth=auth)
        room.subscribe(plain.url("/plain", host="localhost"), "note.*")
        for _ in range(5):
            room.post("order.created")
        target.wait_for(5)
        room.post("note.added")
        plain.wait_for(1)
        assert {row[2] for row in room.settled(made["id"], 5)} == {204}
        assert set(through.asked) == {
            f"CONNECT 127.0.0.1:{ports[0]}",
            f"CONNECT 127.0.0.1:{ports[1]}",
            f"POST http://127.0.0.1:{ports[2]}/plain",
        }
        assert plain.asked[0].headers["host"] == f"localhost:{ports[2]}"
        # What the proxy is not led to, it refuses; that is told apart from its own trouble.
        beyond = room.subscribe("https://localhost:9/", "far.*", retry_schedule=[])
        room.post("far.away")
        assert [row[3] for row in room.settled(beyond["id"], 1)] == [Reason.connect_failed]
        through.credentials = "hub:changed"
        late = room.subscribe("https://localhost:10/", "late.*", retry_schedule=[])
        room.post("late.one")
        assert [row[3] for row in room.settled(late["id"], 1)] == [Reason.proxy_failed]
        log = (room.hub.local / "hub.log").read_text()
        assert "s3cret-of-proxy" not in log
        assert server.secret not in log
