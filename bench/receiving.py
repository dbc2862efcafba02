"""The bench's webhook endpoint as a process, and what it has counted. One for plain HTTP, one for TLS."""

from __future__ import annotations

from typing import Any

import httpx

from bench import processes
from hub.ops.receiver.certificates import Authority


class Receiver:
    """Listens from the constructor's end until `stop()`."""

    def __init__(self, *, authority: Authority | None = None) -> None:
        tls = ("--cert", authority.cert_pem, "--key", authority.key_pem) if authority else ()
        self.process = processes.start(processes.program("bench.receiver", *tls))
        try:
            told = processes.json_line(self.process, within_s=15)
        except BaseException:
            self.stop()
            raise
        self.url = f"{'https' if authority else 'http'}://127.0.0.1:{told['port']}"
        self._control = f"http://127.0.0.1:{told['control_port']}"

    def stop(self) -> None:
        processes.stop(self.process)

    def stats(self) -> dict[str, Any]:
        """Counts, duplicates and latencies; sorting them takes a moment, so ask after a run and not during it."""
        found: dict[str, Any] = httpx.get(f"{self._control}/stats", trust_env=False, timeout=60).json()
        return found

    def reset(self) -> None:
        httpx.post(f"{self._control}/reset", trust_env=False, timeout=60)

    def cpu_s(self) -> float:
        return processes.cpu_s([self.process.pid])
