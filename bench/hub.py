"""A hub of the bench's own, started as `make run` starts one, with a fresh database in `.local/bench`; and its processes."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import string
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg

from bench import processes
from bench.processes import ROOT, BenchFailed, until
from hub import env as table
from hub.ops.local import supervisor

LOCAL = ROOT / ".local" / "bench"
COMPLAINTS = (
    '"level":"ERROR"',
    '"level":"CRITICAL"',
    "Traceback",
    "| ended with",
    "ERROR:",
    "FATAL:",
    "PANIC:",
)
ROLES = {
    "hub.serve web": "web",
    "hub.serve pages": "pages",
    " worker": "worker",
    " beat": "beat",
    "postgres": "postgres",
    "valkey": "valkey",
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Player:
    """One environment of the bench, and its key."""

    env: int
    shard: int
    key: str


class Hub:
    """Running from the constructor's end until `stop()`."""

    def __init__(self, *, ca_file: Path, **settings: str) -> None:
        shutil.rmtree(LOCAL, ignore_errors=True)
        LOCAL.mkdir(parents=True)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        given = {
            name: value for name, value in os.environ.items() if name not in {v.name for v in table.VARIABLES}
        }
        # The further authority changes nothing for plain HTTP, so one hub serves both.
        own = {"PORT": str(self.port), "OUTBOUND_CA_FILE": str(ca_file), "TRUNKLINE_LOCAL": str(LOCAL)}
        own |= {"PYTHONPATH": str(ROOT), **settings}
        self.log = LOCAL / "hub.log"
        with self.log.open("wb") as log:
            self.process = processes.start(
                [sys.executable, "-m", "hub.ops.local.supervisor"], env=given | own, output=log
            )
        self._read: dict[Path, int] = {}
        self.expected: list[str] = []
        self._database: psycopg.Connection[tuple[Any, ...]] | None = None
        try:
            # The supervisor says so when everything is up; asking earlier would read its half-made folder.
            until(self._told, within_s=90, what="the hub")
            self.env, _ = supervisor.environment(LOCAL, given | own)
            superuser = self.env["SUPERUSER_URL"].replace("/postgres?", "/trunkline?")
            self._database = psycopg.connect(superuser, autocommit=True)
            until(
                lambda: self.owners() and sum(self.owners().values()) == 64,
                within_s=30,
                what="an owner of all shards",
            )
        except BaseException:
            self.stop()
            raise

    def _told(self) -> bool:
        if self.process.poll() is not None:
            raise BenchFailed(f"the hub did not start: {self.log.read_text(errors='replace')[-500:]}")
        return b"Trunkline is running" in self.log.read_bytes()

    def stop(self) -> None:
        if self._database is not None:
            self._database.close()
        processes.stop(self.process, patience_s=60)
        # Gigabytes after a whole run; the logs stay.
        shutil.rmtree(LOCAL / "postgres", ignore_errors=True)

    def sql(self, text: str, *values: Any) -> list[tuple[Any, ...]]:
        """As superuser."""
        assert self._database is not None
        cursor = self._database.execute(text, values or None)
        return cursor.fetchall() if cursor.description else []

    def run(self, text: str, values: dict[str, Any]) -> None:
        """A statement with named values, as superuser."""
        assert self._database is not None
        self._database.execute(text, values)

    def number(self, text: str, *values: Any) -> int:
        return int(self.sql(text, *values)[0][0] or 0)

    def cast(self, count: int, label: str) -> list[Player]:
        """New environments, each with a key that may send as much as it likes."""
        made = subprocess.run(
            processes.program("bench.cast", count, label),
            cwd=ROOT,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise BenchFailed(f"the environments could not be made: {made.stderr[-500:]}")
        return [Player(**player) for player in json.loads(made.stdout.strip().splitlines()[-1])]

    def api(self, player: Player) -> httpx.Client:
        return httpx.Client(
            base_url=f"{self.url}/api/v1",
            headers={"authorization": f"Bearer {player.key}"},
            trust_env=False,
            timeout=30,
        )

    def roles(self) -> dict[str, list[int]]:
        """The processes of the supervisor by what they are; a server's own children are counted with it."""
        found: dict[str, list[int]] = {"supervisor": [self.process.pid]}
        for pid in processes.children(self.process.pid, processes.parents()):
            line = processes.command(pid)
            name = next((role for word, role in ROLES.items() if word in line), "other")
            found.setdefault(name, []).extend(processes.family(pid))
        return found

    def cpu_s(self) -> dict[str, float]:
        return {name: processes.cpu_s(pids) for name, pids in self.roles().items()}

    def worker(self) -> int:
        return self.roles()["worker"][0]

    def another_worker(self) -> subprocess.Popen[bytes]:
        """One more of the Procfile's workers, as another machine would start it."""
        line = dict(supervisor.procfile(ROOT / "Procfile"))["worker"]
        words = [string.Template(word).substitute(self.env) for word in shlex.split(line)]
        words[0] = sys.executable if words[0] == "python" else words[0]
        with (LOCAL / "second.log").open("ab") as log:
            return processes.start(words, env=self.env, output=log)

    def shards(self) -> dict[int, int]:
        """The database session that owns each shard."""
        return dict(self.sql(
            "select objid::int, pid from pg_locks where locktype = 'advisory' and granted and classid = 8 and objsubid = 2"
        ))  # fmt: skip

    def owners(self) -> Counter[int]:
        """How many shards each of these sessions holds."""
        return Counter(self.shards().values())

    def complaints(self) -> list[str]:
        """Error lines and restarts in the logs since the last look, but for those a row has caused itself."""
        told = []
        for path in sorted(LOCAL.glob("*.log")):
            lines = path.read_text(errors="replace").splitlines()
            for line in lines[self._read.get(path, 0) :]:
                if any(word in line for word in COMPLAINTS) and not any(
                    word in line for word in self.expected
                ):
                    told.append(line)
            self._read[path] = len(lines)
        return told

    def wal_position(self) -> str:
        """Of the end of what is written and flushed."""
        self.sql("select pg_logical_emit_message(true, 'bench', '')")
        return str(self.sql("select pg_current_wal_flush_lsn()")[0][0])

    def wait_until_quiet(self, *, within_s: float = 10) -> None:
        """Let what was just started or loaded settle: the hub below a fifth of a core."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            before = sum(self.cpu_s().values())
            time.sleep(0.5)
            if sum(self.cpu_s().values()) - before < 0.1:
                return
