"""`manage.py listen` as a person runs it: beside a running hub, and when something is in its way."""

from __future__ import annotations

import secrets
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from django.core.management import CommandError, call_command

from hub.core.signing import new_secret
from tests.conftest import Hub
from tests.ops.test_receiver import signed

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-W", "ignore", "manage.py", "listen"]


class Listener:
    """The command in a process of its own, and the lines it has printed."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, "--port", "0", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        self.lines: list[str] = []
        self._more = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._more:
                self.lines.append(line.rstrip())
                self._more.notify_all()

    def wait_for(self, word: str, count: int = 1) -> str:
        """The last of `count` lines with the word in it."""

        def found() -> list[str]:
            return [line for line in self.lines if word in line]

        with self._more:
            assert self._more.wait_for(lambda: len(found()) >= count, 20), self.lines
            return found()[count - 1]

    @property
    def url(self) -> str:
        return self.wait_for("Listening on").split()[2]

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        assert self.process.wait(20) == 0
        self._thread.join(5)
        assert self.process.stdout is not None
        self.process.stdout.close()


@contextmanager
def listening(*arguments: str) -> Iterator[Listener]:
    listener = Listener(*arguments)
    try:
        yield listener
    finally:
        listener.end()


def post(url: str, **more: object) -> httpx.Response:
    return httpx.post(url, content=b'{"type":"order.created"}', timeout=5, trust_env=False, **more)  # type: ignore[arg-type]


def test_it_prints_a_line_for_each_request_and_a_body_if_asked() -> None:
    secret = new_secret()
    with listening("--secret", secret, "--fail-first", "1", "-v") as listener:
        body = b'{"type":"order.created"}'
        first = post(listener.url, headers=signed(body, secret=secret))
        second = post(listener.url, headers=signed(body, secret=new_secret()))
        lines = [listener.wait_for("order.created  msg_1", n) for n in (1, 2)]
        listener.wait_for('    {"type":"order.created"}', 2)
    assert (first.status_code, second.status_code) == (500, 200)
    assert lines[0].endswith("attempt 3  signature verified  → 500")
    assert lines[1].endswith(
        "attempt 3  no signature in webhook-signature matches this body and secret  → 200"
    )
    assert listener.lines[-1] == "2 requests received."


def test_it_disappears_and_comes_back() -> None:
    with listening("--disappear", "0.3") as listener:
        assert post(listener.url).status_code == 200
        listener.wait_for("Gone for 0.3 s.")
        with pytest.raises(httpx.TransportError):
            post(listener.url)
        listener.wait_for("Here again.")
        assert post(listener.url).status_code == 200


@pytest.mark.journey
def test_it_subscribes_itself_and_verifies_what_comes(hub: Hub) -> None:
    type = f"listen.{secrets.token_hex(4)}"
    with listening("--subscribe", hub.key, "--types", type, "--hub", hub.url) as listener:
        subscription = listener.wait_for("Subscribed").split()[1]
        listener.wait_for("Listening on")
        with hub.client() as client:
            accepted = client.post("/events", json={"type": type, "data": {}})
            assert accepted.status_code == 202
            line = listener.wait_for(type, 2)
            assert client.get(f"/subscriptions/{subscription}").status_code == 200
    assert accepted.json()["id"].removeprefix("evt_") in line
    assert line.endswith("attempt 1  signature verified  → 200")
    assert f"Deleted {subscription}." in listener.lines
    with hub.client() as client:
        assert client.get(f"/subscriptions/{subscription}").status_code == 404


@pytest.mark.journey
def test_it_says_why_the_hub_made_no_subscription(hub: Hub) -> None:
    arguments = ["--port", "0", "--subscribe", hub.key, "--types", "no pattern!", "--hub", hub.url]
    with pytest.raises(CommandError, match=r"The hub made no subscription: .*patterns"):
        call_command("listen", *arguments)


def test_a_taken_port_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CommandError, match=rf"Port {port} of 127\.0\.0\.1 can't be used"):
            call_command("listen", "--port", str(port))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--hang", "--slow"], "Choose one of --hang and --slow"),
        (["--secret", "hunter2"], "a secret begins with whsec_"),
        (["--types", "order.*"], "--types is for --subscribe"),
        (["--port", "0", "--subscribe", "--hub", "http://127.0.0.1:1"], "There is no demo key in"),
        (["--port", "0", "--subscribe", "tl_test_x", "--hub", "http://127.0.0.1:1"], "does not answer"),
    ],
)
def test_what_can_not_work_is_told_in_one_sentence(
    arguments: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRUNKLINE_LOCAL", str(tmp_path))
    with pytest.raises(CommandError, match=told):
        call_command("listen", *arguments)
