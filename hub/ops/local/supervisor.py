"""`make run`: embedded servers where none are named, migrations, the demo tenant, and every process of the Procfile.

It holds no Django itself, so that it stays small; what needs Django runs in a short-lived child.
"""

from __future__ import annotations

import base64
import http.client
import os
import secrets
import shlex
import signal
import socket
import string
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from hub import env as table
from hub.ops.local import servers
from hub.ops.local.processes import Child, Group

ROOT = Path(__file__).resolve().parents[3]
_print_lock = threading.Lock()


def say(name: str, line: str) -> None:
    with _print_lock:
        print(f"{name:>8} | {line}" if name else line, flush=True)


def local_secrets(local: Path) -> dict[str, str]:
    """SECRET_KEY and SEALING_KEYS of this installation, made once, readable by its owner only."""
    path = local / "env"
    if not path.exists():
        local.mkdir(parents=True, exist_ok=True)
        lines = [
            f"SECRET_KEY={secrets.token_urlsafe(50)}",
            f"SEALING_KEYS=local:{base64.b64encode(secrets.token_bytes(32)).decode()}",
        ]
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write("\n".join(lines) + "\n")
    return dict(line.split("=", 1) for line in path.read_text().splitlines() if "=" in line)


def procfile(path: Path) -> list[tuple[str, str]]:
    """(name, command line) of each process."""
    lines = [line for line in path.read_text().splitlines() if ":" in line and not line.startswith("#")]
    return [(name.strip(), command.strip()) for name, _, command in (line.partition(":") for line in lines)]


def port_is_free(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def environment(local: Path, given: Mapping[str, str]) -> tuple[dict[str, str], list[servers.Server]]:
    """What the children see, and the embedded servers it needs. Raises CannotStart, BadEnvironment."""
    table.read(given)
    env = {"DJANGO_SETTINGS_MODULE": "hub.settings", "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    env |= {v.name: v.default for v in table.VARIABLES if v.default}
    env |= local_secrets(local)
    env["TRUNKLINE_LOCAL"] = str(local)
    if "OUTBOUND_NETWORKS" not in given and "OUTBOUND_HTTP" not in given:
        # A development hub may deliver to this machine; a hub for others must say so itself.
        env |= {"OUTBOUND_NETWORKS": "127.0.0.0/8,::1/128", "OUTBOUND_HTTP": "true"}
    env |= {name: value for name, value in given.items() if value or name not in env}
    wanted = []
    if not given.get("DATABASE_URL"):
        wanted.append(servers.postgres(local, shared_buffers=given.get("EMBEDDED_SHARED_BUFFERS", "128MB")))
    if not given.get("REDIS_URL"):
        wanted.append(servers.valkey(local))
    for server in wanted:
        env |= server.urls
    return env, wanted


def write_runtime(local: Path, env: Mapping[str, str]) -> None:
    """For commands beside it (hub.env.adopt): what the children see, readable by the owner only."""
    names = [variable.name for variable in table.VARIABLES] + ["TRUNKLINE_LOCAL"]
    path = local / "runtime.env"
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write("".join(f"{name}={env[name]}\n" for name in names if env.get(name)))


def start_servers(group: Group, env: dict[str, str], wanted: list[servers.Server]) -> None:
    """Start them and wait until they answer."""
    for server in wanted:
        servers.make_folders(server)
        stop = signal.SIGINT if server.name == "postgres" else signal.SIGTERM
        group.start(Child(server.name, server.command, env, server.user, stop_signal=stop, stop_s=30))
    for server in wanted:
        if server.name == "postgres":
            servers.wait_for_postgres(server.urls["SUPERUSER_URL"])


def run(local: Path) -> int:
    """Everything, until Ctrl-C or SIGTERM. Returns the exit code."""
    env, wanted = environment(local, os.environ)
    host, port = env["HOST"], int(env["PORT"])
    if not port_is_free(host, port):
        raise servers.CannotStart(
            f"Port {port} on {host} is taken; end what listens there or start with PORT={port + 1} make run."
        )
    group = Group(say)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        start_servers(group, env, wanted)
        prepared = subprocess.run(
            [sys.executable, "manage.py", "prepare"],
            cwd=ROOT,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        if prepared.returncode:
            raise servers.CannotStart((prepared.stderr or prepared.stdout).strip().splitlines()[-1])
        os.chdir(ROOT)
        write_runtime(local, env)
        for name, line in procfile(Path(env.get("PROCFILE", ROOT / "Procfile"))):
            command = [string.Template(word).substitute(env) for word in shlex.split(line)]
            if command[0] == "python":
                command[0] = sys.executable
            group.start(Child(name, command, env))
        _wait_until_ready(host, port, stop)
        say("", prepared.stdout.rstrip())
        while not stop.wait(0.1):
            group.tend()
    finally:
        say("", "stopping …")
        group.stop()
    return 0


def _wait_until_ready(host: str, port: int, stop: threading.Event) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and not stop.is_set():
        connection = http.client.HTTPConnection(host, port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        stop.wait(0.1)


def main() -> int:
    local = Path(os.environ.get("TRUNKLINE_LOCAL", table.LOCAL)).resolve()
    try:
        return run(local)
    except (servers.CannotStart, table.BadEnvironment) as error:
        print(f"trunkline: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
