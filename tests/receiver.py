"""The receiver in a thread with a loop of its own, for tests that stand outside it. It asserts nothing but
deadlines.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hub.ops.receiver import Behaviour, Received, Receiver
from hub.ops.receiver.certificates import Authority


class ReceiverThread:
    """Start it with `running(...)`. Every method may be called from any thread."""

    def __init__(self, *, tls_folder: Path | None = None, **settings: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._arrived = threading.Condition()
        authority = Authority(tls_folder, now=datetime.now(UTC)) if tls_folder else None
        self.receiver = Receiver(authority=authority, on_request=self._noted, **settings)
        self._thread = threading.Thread(target=self._loop.run_forever, name="receiver", daemon=True)
        self._thread.start()
        self._do(self.receiver.start())

    def _noted(self, _: Received) -> None:
        with self._arrived:
            self._arrived.notify_all()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def _call(self, method: Any, *args: Any, **named: Any) -> None:
        async def work() -> None:
            method(*args, **named)

        self._do(work())

    @property
    def ca_pem(self) -> Path:
        assert self.receiver.authority is not None, "start it with tls_folder="
        return self.receiver.authority.ca_pem

    def url(self, path: str = "/") -> str:
        return self.receiver.url(path)

    def requests(self, path: str | None = None) -> list[Received]:
        with self._arrived:
            return self.receiver.requests(path)

    def behave(self, behaviour: Behaviour | Sequence[Behaviour], *, path: str | None = None) -> None:
        self._call(self.receiver.behave, behaviour, path=path)

    def trust(self, *secrets: str, path: str | None = None) -> None:
        self._call(self.receiver.trust, *secrets, path=path)

    def forget(self) -> None:
        self._call(self.receiver.forget)

    def disappear(self) -> None:
        self._do(self.receiver.disappear())

    def appear(self) -> None:
        self._do(self.receiver.appear())

    def wait_for(self, count: int, path: str | None = None, *, deadline_s: float = 10) -> list[Received]:
        """Until that many have come; returns them. A failing assertion says how many did."""
        with self._arrived:
            done = self._arrived.wait_for(lambda: len(self.receiver.requests(path)) >= count, deadline_s)
            found = self.receiver.requests(path)
        assert done, f"{len(found)} of {count} requests came to {path or 'any path'} within {deadline_s} s"
        return found

    def stop(self) -> None:
        self._do(self.receiver.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@contextmanager
def running(**settings: Any) -> Iterator[ReceiverThread]:
    """`secrets=[…]`, `remember=`, `port=`, `tls_folder=tmp_path` for HTTPS with a throw-away authority."""
    receiver = ReceiverThread(**settings)
    try:
        yield receiver
    finally:
        receiver.stop()
