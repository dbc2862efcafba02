"""The bench's receiver: it counts what came, and what came twice, and how late."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Bench:
    port: int
    control: str

    def post(self, path: str, id: str = "", *, body: bytes = b"{}", timeout_s: float = 5) -> httpx.Response:
        headers = {"webhook-id": id} if id else {}
        return httpx.post(
            f"http://127.0.0.1:{self.port}{path}",
            content=body,
            headers=headers,
            timeout=timeout_s,
            trust_env=False,
        )

    def stats(self) -> dict[str, Any]:
        found: dict[str, Any] = httpx.get(f"{self.control}/stats", trust_env=False).json()
        return found


@pytest.fixture
def bench() -> Iterator[Bench]:
    process = subprocess.Popen([sys.executable, "-m", "bench.receiver"], cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    told = json.loads(process.stdout.readline())
    yield Bench(told["port"], f"http://127.0.0.1:{told['control_port']}")
    process.terminate()
    process.wait(10)
    process.stdout.close()


def test_it_counts_requests_repeats_and_delays_by_path(bench: Bench) -> None:
    ago = time.time_ns() - 50_000_000
    for id in ("msg_1", "msg_2", "msg_2"):
        answer = bench.post("/ok/a", id, body=b'{"data":{"t":%d,"pad":"x"}}' % ago)
        assert (answer.status_code, len(answer.content)) == (200, 100)
    bench.post("/ok/b", "msg_1", body=b'{"t":"soon"}')
    found = bench.stats()
    a, b = found["paths"]["/ok/a"], found["paths"]["/ok/b"]
    assert (found["count"], found["unique"], found["duplicates"]) == (4, 3, 1)
    assert (a["count"], a["unique"], a["duplicates"], a["timed"]) == (3, 2, 1, 3)
    assert (b["count"], b["duplicates"], b["timed"]) == (1, 0, 0)
    assert 50 <= a["p50_ms"] <= a["p99_ms"] <= a["max_ms"] < 5_000
    assert found["cpu_s"] > 0


def test_a_request_in_pieces_is_one(bench: Bench) -> None:
    assert bench.post("/ok/big", "msg_1", body=b'{"t":1}' + b"x" * 900_000).status_code == 200
    assert bench.stats()["count"] == 1


def test_paths_misbehave_by_their_first_part(bench: Bench) -> None:
    assert bench.post("/fail/x").status_code == 500
    begun = time.monotonic()
    assert bench.post("/slow/x?ms=120").status_code == 200
    assert time.monotonic() - begun >= 0.12
    with pytest.raises(httpx.ReadTimeout):
        bench.post("/hang/x", timeout_s=0.1)
    with pytest.raises(httpx.TransportError):
        bench.post("/dead/x")
    assert {path: e["count"] for path, e in bench.stats()["paths"].items()} == {
        "/fail/x": 1,
        "/slow/x": 1,
        "/hang/x": 1,
        "/dead/x": 1,
    }


def test_a_reset_forgets_everything(bench: Bench) -> None:
    bench.post("/ok", "msg_1")
    assert httpx.post(f"{bench.control}/reset", trust_env=False).json() == {"reset": 1}
    found = bench.stats()
    assert (found["count"], found["unique"], found["paths"]["/ok"]["count"]) == (0, 0, 0)
    bench.post("/ok", "msg_1")
    assert bench.stats()["duplicates"] == 0
    assert httpx.get(f"{bench.control}/other", trust_env=False).status_code == 404
