"""A whole hub for the tests, started before Django's settings are read: embedded PostgreSQL and Valkey, web, worker, beat.

Tests of one package use databases of their own on that PostgreSQL; journeys talk to the running hub over HTTP. Loaded by
`-p tests.embedded`; the workers of pytest-xdist inherit what the first process started.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from hub.env import VARIABLES
from hub.ops.local import supervisor
from hub.ops.receiver.certificates import Authority

ROOT = Path(__file__).resolve().parent.parent
# One folder for each run, so that two may go on at the same time; pytest-xdist's workers share their parent's.
LOCAL = Path(os.environ.get("TRUNKLINE_TEST_LOCAL") or ROOT / ".local" / f"test-{os.getpid()}")
# An authority that the running hub trusts besides the system's, and a server's certificate for this machine.
TLS = LOCAL / "tls"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(local: Path, **more: str) -> subprocess.Popen[bytes]:
    """A supervisor with its own folder, port and servers; its output goes to `<local>/hub.log`."""
    local.mkdir(parents=True, exist_ok=True)
    ours = {variable.name for variable in VARIABLES}
    env = {name: value for name, value in os.environ.items() if name not in ours}
    env |= {"TRUNKLINE_LOCAL": str(local), "PYTHONPATH": str(ROOT), "EMBEDDED_SHARED_BUFFERS": "64MB", **more}
    with (local / "hub.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "hub.ops.local.supervisor"],
            cwd=ROOT, env=env, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip


def stop(process: subprocess.Popen[bytes]) -> None:
    """As Ctrl-C would; insist after 40 s."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _servers_answer(url: str, until: float) -> None:
    while True:
        try:
            psycopg.connect(url, connect_timeout=2).close()
            return
        except psycopg.OperationalError:
            if time.monotonic() > until:
                raise RuntimeError(f"the embedded servers did not start; see {LOCAL / 'hub.log'}") from None
            time.sleep(0.05)


def _end(process: subprocess.Popen[bytes]) -> None:
    stop(process)
    shutil.rmtree(LOCAL, ignore_errors=True)


def _begin() -> None:
    if os.environ.get("TRUNKLINE_TEST_PORT"):
        return
    port = free_port()
    TLS.mkdir(parents=True)
    authority = Authority(TLS, now=datetime.now(UTC))
    process = start(LOCAL, PORT=str(port), OUTBOUND_CA_FILE=str(authority.ca_pem))
    atexit.register(_end, process)
    env, _ = supervisor.environment(LOCAL, {"PORT": str(port)})
    _servers_answer(env["DATABASE_URL"], time.monotonic() + 60)
    os.environ |= env
    # The running hub may deliver to this machine; services and views under test judge addresses as in production.
    os.environ |= {"OUTBOUND_NETWORKS": "", "OUTBOUND_HTTP": "false"}
    # Parameters drawn from sets must come in one order in every worker of pytest-xdist.
    os.environ["PYTHONHASHSEED"] = "0"
    os.environ["TRUNKLINE_TEST_LOCAL"] = str(LOCAL)
    os.environ["TRUNKLINE_TEST_PORT"] = str(port)
    os.environ["TRUNKLINE_TEST_SERVING"] = env["DATABASE_URL"]
    # Test databases are made, migrated and flushed, so pytest acts as the owner of the tables.
    os.environ["DATABASE_URL"] = env["DATABASE_OWNER_URL"]


_begin()
