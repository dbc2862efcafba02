"""Processes of the bench: started so that they end with it, and what /proc says of them. It ends only what it started."""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_PR_SET_PDEATHSIG = 1


class BenchFailed(Exception):
    """Something was lost, stuck, doubled or did not start: the figure would be worth nothing. The message says what."""


def _die_with_us(stop: int) -> Callable[[], None]:
    libc = ctypes.CDLL(None)

    def follow() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, stop)

    return follow


def start(
    command: list[str],
    *,
    env: Mapping[str, str] | None = None,
    output: Any = subprocess.PIPE,
    stop: int = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """A child in a session of its own; Ctrl-C reaches the bench alone, which then ends it."""
    return subprocess.Popen(
        command, cwd=ROOT, env=dict(env) if env is not None else clean_env(), stdout=output, stdin=subprocess.DEVNULL,
        stderr=subprocess.STDOUT if output is not subprocess.PIPE else None, start_new_session=True,
        preexec_fn=_die_with_us(stop),
    )  # fmt: skip


def clean_env() -> dict[str, str]:
    """For the bench's own programs."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def program(module: str, *arguments: object) -> list[str]:
    return [sys.executable, "-W", "ignore", "-m", module, *map(str, arguments)]


def stop(process: subprocess.Popen[bytes], *, patience_s: float = 10) -> None:
    """Ask, wait, insist."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def json_line(process: subprocess.Popen[bytes], *, within_s: float) -> dict[str, Any]:
    """The next line it prints. Raises BenchFailed."""
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], within_s)
    line = process.stdout.readline() if ready else b""
    if not line:
        raise BenchFailed(f"{' '.join(map(str, process.args[-12:]))} said nothing within {within_s:.0f} s")  # type: ignore[index]
    found: dict[str, Any] = json.loads(line)
    return found


def until(ready: Callable[[], Any], *, within_s: float, what: str, every_s: float = 0.05) -> Any:
    """Poll until it is true and give that back. Raises BenchFailed naming `what`."""
    deadline = time.monotonic() + within_s
    while True:
        found = ready()
        if found:
            return found
        if time.monotonic() > deadline:
            raise BenchFailed(f"{what} did not come within {within_s:.0f} s")
        time.sleep(every_s)


def parents() -> dict[int, int]:
    """Every process of the machine and its parent."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = _stat(int(name))
            if fields:
                found[int(name)] = int(fields[1])
    return found


def children(pid: int, known: Mapping[int, int]) -> list[int]:
    return [child for child, parent in known.items() if parent == pid]


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    known, found, new = parents(), [pid], [pid]
    while new:
        new = [child for parent in new for child in children(parent, known)]
        found += new
    return found


def command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def _stat(pid: int) -> list[str]:
    """Fields from the third on (proc_pid_stat(5)); empty for a process that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def cpu_s(pids: Iterable[int]) -> float:
    """User and system time of these, with that of their ended children."""
    return sum(sum(map(int, fields[11:15])) for pid in pids if (fields := _stat(pid))) * _TICK_S


def pss_kib(pid: int) -> int:
    """Its proportional set size: shared pages are counted once among those that share them."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    except OSError:
        return 0
    return 0
