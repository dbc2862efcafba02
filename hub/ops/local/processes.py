"""Child processes that are kept running: started, their lines prefixed, restarted with backoff, stopped in order.

It ends only what it started, by its own handle; a child that dies of its parent's death is asked for by PDEATHSIG.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO

_PR_SET_PDEATHSIG = 1


def _with_parent(sig: int) -> Callable[[], None] | None:
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)

    def follow() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, sig)

    return follow


@dataclass
class Child:
    """One process and how it is run again."""

    name: str
    command: list[str]
    env: Mapping[str, str]
    user: str | None = None
    stop_signal: int = signal.SIGTERM
    stop_s: float = 20.0
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    failures: int = 0
    retry_at: float = 0.0
    tail: list[str] = field(default_factory=list)


class Group:
    """Starts children, watches them, and stops them in reverse order."""

    def __init__(self, write: Callable[[str, str], None]) -> None:
        self.children: list[Child] = []
        self._write = write
        self.stopping = False

    def start(self, child: Child) -> None:
        """Start it and keep it; its output goes line by line to `write(name, line)`."""
        self.children.append(child)
        self._spawn(child)

    def _spawn(self, child: Child) -> None:
        child.process = subprocess.Popen(
            child.command, env=dict(child.env), user=child.user, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=_with_parent(child.stop_signal),
        )  # fmt: skip
        child.started_at = time.monotonic()
        assert child.process.stdout is not None
        threading.Thread(target=self._relay, args=(child, child.process.stdout), daemon=True).start()

    def _relay(self, child: Child, stream: IO[bytes]) -> None:
        for raw in stream:
            line = raw.decode(errors="replace").rstrip()
            child.tail = [*child.tail[-19:], line]
            self._write(child.name, line)

    def tend(self) -> None:
        """Restart what has died: at once, then after 0.5 s, 1 s … 5 s while it dies young."""
        now = time.monotonic()
        for child in self.children:
            process = child.process
            if process is None or self.stopping:
                continue
            code = process.poll()
            if code is None:
                if child.failures and now - child.started_at > 20:
                    child.failures = 0
                continue
            if not child.retry_at:
                child.failures = child.failures + 1 if now - child.started_at < 20 else 1
                child.retry_at = now + (0.0 if child.failures == 1 else min(5.0, 0.25 * 2**child.failures))
                self._write(child.name, f"ended with {code}; starting it again")
            if now >= child.retry_at:
                child.retry_at = 0.0
                self._spawn(child)

    def stop(self, *names: str) -> None:
        """Ask, wait, insist. Without names: everything, last started first, one after the other."""
        self.stopping = True
        for child in reversed([c for c in self.children if not names or c.name in names]):
            process = child.process
            if process is None or process.poll() is not None:
                continue
            process.send_signal(child.stop_signal)
            try:
                process.wait(child.stop_s)
            except subprocess.TimeoutExpired:
                self._write(child.name, f"did not stop within {child.stop_s:.0f} s; killed")
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
