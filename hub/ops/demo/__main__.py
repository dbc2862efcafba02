"""Start a hub in `.local/demo`, play the story, stop it. Exit 1 if a scene did not come true."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

from hub import env
from hub.ops.demo.story import DidNotHappen, play

ROOT = Path(__file__).resolve().parents[3]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _ready(local: Path, url: str, process: subprocess.Popen[bytes]) -> str:
    until = time.monotonic() + 90
    while time.monotonic() < until and process.poll() is None:
        try:
            key = json.loads((local / "demo.json").read_text())["test_key"]
            if httpx.get(f"{url}/readyz", timeout=5).json()["status"] == "ready":
                return str(key)
            time.sleep(0.1)
        except (OSError, ValueError, KeyError, httpx.HTTPError):
            time.sleep(0.1)
    raise DidNotHappen(f"the hub did not start; read {local / 'hub.log'}")


def main() -> int:
    local, port = env.LOCAL / "demo", _free_port()
    local.mkdir(parents=True, exist_ok=True)
    url, begun = f"http://127.0.0.1:{port}", time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - begun:5.1f} s  {line}", flush=True)

    say("Starting a hub: PostgreSQL, Valkey, web, worker and beat …")
    with (local / "hub.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "hub.ops.local.supervisor"], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log,
            stderr=subprocess.STDOUT, start_new_session=True,
            env={**os.environ, "TRUNKLINE_LOCAL": str(local), "PORT": str(port)},
        )  # fmt: skip
    try:
        key = _ready(local, url, process)
        say(f"It runs at {url}.")
        asyncio.run(play(url=url, key=key, say=say))
        say("The end. `make run` starts a hub for you.")
    except (DidNotHappen, httpx.HTTPError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    return 0


if __name__ == "__main__":
    sys.exit(main())
