"""The one session that owns shards, routes and records. Lose it and everything in memory is void; it is never repaired.

The server ends it when it is silent for 10 s, so a frozen owner loses its locks while it is frozen; before each send the
owner asks here whether the session has answered within the last second.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

import psycopg

from hub.eventlog.connect import PLANS, open_session

logger = logging.getLogger(__name__)

FRESH_S = 1.0
HEARTBEAT_S = 2.0
SILENCE_S = 10
CLOCK = "select extract(epoch from clock_timestamp())::float8"


class Lost(Exception):
    """The session is gone: what was being done must be dropped, and everything taken over anew."""


class Fence:
    """Owns the session. Statements go one at a time through `hold()`."""

    def __init__(self, session: psycopg.AsyncConnection[Any]) -> None:
        self.session = session
        self.lost = asyncio.Event()
        self.last_ok = time.monotonic()
        self._lock = asyncio.Lock()
        self._offset = 0.0

    @classmethod
    async def open(cls) -> Fence:
        """Connect as an owner. Raises psycopg.OperationalError."""
        session = await open_session(
            name="engine", synchronous_commit="off", idle_session_timeout=f"{SILENCE_S}s", **PLANS,
            idle_in_transaction_session_timeout=f"{SILENCE_S}s",
        )  # fmt: skip
        fence = cls(session)
        await fence.beat()
        return fence

    @contextlib.asynccontextmanager
    async def hold(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        """The session for one statement or transaction; any error of the database loses it."""
        async with self._lock:
            if self.lost.is_set():
                raise Lost
            try:
                yield self.session
            except psycopg.Error as error:
                logger.warning("the engine's session is lost: %s", str(error).strip())
                self.lost.set()
                raise Lost from error
            except asyncio.CancelledError:
                # A statement cut short has an unknown end.
                self.lost.set()
                raise
            self.last_ok = time.monotonic()

    def fresh(self) -> bool:
        """May something be sent? Only if the session has answered within the last second. Reads the clock anew."""
        return not self.lost.is_set() and time.monotonic() - self.last_ok < FRESH_S

    async def beat(self) -> None:
        """Ask the server for its time; also how the owner learns that it is none any more."""
        async with self.hold() as session:
            before = time.monotonic()
            row = await (await session.execute(CLOCK, prepare=True, binary=True)).fetchone()
            assert row is not None
            self._offset = row[0] - (before + time.monotonic()) / 2

    async def refresh(self) -> None:
        """Wait until sending is safe again. Raises Lost."""
        while not self.fresh():
            await self.beat()

    def now(self) -> float:
        """Seconds since 1970 by the database's clock, whatever this machine's clock was set to."""
        return time.monotonic() + self._offset

    async def beat_forever(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_S / 2)
            if time.monotonic() - self.last_ok > HEARTBEAT_S / 2:
                await self.beat()

    async def close(self) -> None:
        self.lost.set()
        with contextlib.suppress(psycopg.Error, TimeoutError):
            async with asyncio.timeout(2):
                await self.session.close()
