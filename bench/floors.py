"""What this machine gives without the hub, measured in the same run: the bare server, the raw client, plain SQL."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import httpx
import psycopg

from bench import processes
from bench.hub import Hub, free_port
from bench.processes import until
from bench.receiving import Receiver

SQL_ROWS = 500
SQL_BYTES = 1024
INSERT = "insert into floor (id, data) select i, d from unnest(%(id)b::int8[], %(data)b::bytea[]) u(i, d)"


def bare_asgi(seconds: float, *, batch: int = 1) -> float:
    """Requests (or events in batches) a second that uvicorn answers with a constant, by the same generator."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    server = processes.start(processes.program(
        "uvicorn", "bench.floor_asgi:application", "--host", "127.0.0.1", "--port", port, "--loop", "uvloop",
        "--http", "httptools", "--no-access-log", "--lifespan", "off", "--log-level", "warning",
    ))  # fmt: skip
    try:
        until(lambda: _answers(url), within_s=15, what="the bare server")
        load = processes.start(processes.program(
            "bench.generator", "--url", url, "--keys", "floor", "--seconds", seconds, "--warmup", 0.3,
            "--connections", 64 if batch == 1 else 16, "--batch", batch,
        ))  # fmt: skip
        try:
            return float(processes.json_line(load, within_s=seconds + 40)["rate"])
        finally:
            processes.stop(load)
    finally:
        processes.stop(server)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).status_code == 202
    except httpx.TransportError:
        return False


def raw_client(receiver: Receiver, seconds: float, *, ca_file: str = "") -> float:
    """Requests a second of the hub's own sender, 64 in flight, with nothing else around it."""
    sender = processes.start(processes.program(
        "bench.floor_sender", "--url", f"{receiver.url}/ok/floor", "--seconds", seconds, *(("--ca", ca_file) if ca_file else ())
    ))  # fmt: skip
    try:
        return float(processes.json_line(sender, within_s=seconds + 30)["rate"])
    finally:
        processes.stop(sender)


def plain_sql(hub: Hub, seconds: float) -> float:
    """Rows a second of 1 KiB, 500 in a statement, one session, each commit waited for; on the hub's own server."""
    with psycopg.connect(
        hub.env["SUPERUSER_URL"].replace("/postgres?", "/trunkline?"), autocommit=True
    ) as session:
        session.execute("create table floor (id bigint primary key, data bytea not null)")
        try:
            data = [bytes([65 + index % 26]) * SQL_BYTES for index in range(SQL_ROWS)]
            number, begun = 0, time.monotonic()
            while time.monotonic() - begun < seconds:
                values = {"id": list(range(number, number + SQL_ROWS)), "data": data}
                session.execute(INSERT, values, prepare=True)
                number += SQL_ROWS
            return number / (time.monotonic() - begun)
        finally:
            session.execute("drop table floor")


def measure(
    hub: Hub, receiver: Receiver, secure: Receiver, *, ca_file: str, runs: int, short: bool
) -> dict[str, float]:
    """All of them, each the median of `runs`. The hub is idle meanwhile."""
    seconds = 1.5 if short else 5.0
    each: dict[str, Callable[[], float]] = {
        "bare ASGI": lambda: bare_asgi(seconds),
        "bare ASGI, batches": lambda: bare_asgi(seconds, batch=100),
        "raw client": lambda: raw_client(receiver, seconds),
        "raw client, TLS": lambda: raw_client(secure, seconds, ca_file=ca_file),
        "plain SQL": lambda: plain_sql(hub, seconds),
    }
    return {name: median(run() for _ in range(runs)) for name, run in each.items()}
