"""The hub that is broken: started as `make run` does, in a folder of its own; its processes by name. It ends what it started."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import psycopg

from hub.env import VARIABLES
from hub.ops.local import supervisor

ROOT = Path(__file__).resolve().parents[2]
MARKS = {
    "web": "hub.serve web",
    "pages": "hub.serve pages",
    "worker": " worker ",
    "beat": " beat ",
    "valkey": "valkey-server",
    "postgres": "postgres",
}


class Patient:
    """A supervisor and its children."""

    def __init__(self, local: Path, port: int, **more: str) -> None:
        self.local, self.port = local, port
        local.mkdir(parents=True, exist_ok=True)
        ours = {variable.name for variable in VARIABLES}
        given = {name: value for name, value in os.environ.items() if name not in ours}
        given |= {"TRUNKLINE_LOCAL": str(local), "PORT": str(port), "PYTHONPATH": str(ROOT), **more}
        self.env, _ = supervisor.environment(local, {"PORT": str(port)})
        self.log = (local / "hub.log").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "hub.ops.local.supervisor"], cwd=ROOT, env=given,
            stdout=self.log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        self.url = f"http://127.0.0.1:{port}"
        self.database = self.env["SUPERUSER_URL"].replace("/postgres?", "/trunkline?")

    def wait(self, seconds: float = 60) -> str:
        """Until it answers; the key of its test environment."""
        until = time.monotonic() + seconds
        while True:
            try:
                key: str = json.loads((self.local / "demo.json").read_text())["test_key"]
                if httpx.get(f"{self.url}/readyz", timeout=2).is_success:
                    return key
            except (OSError, ValueError, httpx.HTTPError):
                pass
            if time.monotonic() > until or self.process.poll() is not None:
                raise RuntimeError((self.local / "hub.log").read_text()[-2000:])
            time.sleep(0.05)

    def ready(self) -> bool:
        """Do web and pages answer?"""
        try:
            return httpx.get(f"{self.url}/readyz", timeout=2).status_code in (200, 503) and bool(
                httpx.get(f"{self.url}/api/v1/openapi.json", timeout=10).is_success
            )
        except httpx.HTTPError:
            return False

    def door(self, name: str) -> Path:
        """The socket at which PostgreSQL or Valkey is reached."""
        if name == "valkey":
            return Path(self.env["REDIS_URL"].removeprefix("unix://"))
        return Path(self.env["DATABASE_URL"].partition("host=")[2].partition("&")[0]) / ".s.PGSQL.5432"

    def child(self, name: str) -> psutil.Process | None:
        """The process of that name, if it runs."""
        for process in psutil.Process(self.process.pid).children():
            try:
                line = " ".join(process.cmdline())
                if MARKS[name] in line and process.status() != psutil.STATUS_ZOMBIE:
                    return process
            except psutil.NoSuchProcess:
                continue
        return None

    def family(self, name: str) -> list[psutil.Process]:
        """It and its own children (PostgreSQL's are its sessions)."""
        process = self.child(name)
        if process is None:
            return []
        return [process, *process.children(recursive=True)]

    def limit_files(self, limit: int) -> None:
        """How large a file PostgreSQL's processes may write (soft RLIMIT_FSIZE); as its own user, since root may lack the right."""
        family = self.family("postgres")
        if not family:
            return
        user = family[0].uids().real
        pids = [process.pid for process in family]
        child = os.fork()
        if child == 0:
            try:
                if os.getuid() != user:
                    os.setgid(family[0].gids().real)
                    os.setuid(user)
                for pid in pids:
                    with contextlib.suppress(ProcessLookupError):
                        resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
                os._exit(0)
            except BaseException:
                os._exit(1)
        if os.waitpid(child, 0)[1]:
            raise RuntimeError("the file-size limit of PostgreSQL could not be set")

    def answers(self) -> bool:
        """Does PostgreSQL take connections?"""
        try:
            psycopg.connect(self.database, connect_timeout=1).close()
        except psycopg.OperationalError:
            return False
        return True

    def rows(self, sql: str, *values: object) -> list[tuple]:
        with psycopg.connect(self.database, autocommit=True) as session:
            return session.execute(sql, values).fetchall()

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-W", "ignore", "manage.py", *words],
            cwd=ROOT,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
        )

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(40)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()
