"""Group commit: whatever waits when the last commit returns is the next one. It answers nothing before the commit.

One flusher, no timer: under load batches grow by themselves, and a lone event is written at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from hub.eventlog import append as log
from hub.eventlog.append import NewEvent
from hub.eventlog.connect import open_session

logger = logging.getLogger(__name__)

MOST_EVENTS = 2000
MOST_BYTES = 4 * 1024 * 1024
PENDING_BYTES = 64 * 1024 * 1024


class Unavailable(Exception):
    """The log can't be written at the moment; nothing is known to be stored. Retryable."""


class Refused(Exception):
    """PostgreSQL refused this event's values; its neighbours were written. Permanent."""


@dataclass(slots=True)
class Unit:
    """The events of one request; `done` gets {id of a duplicate: (body hash, first event's id)}, empty for none."""

    events: Sequence[NewEvent]
    size: int
    key: Any
    done: asyncio.Future[dict[bytes, tuple[bytes, bytes]]]
    refused: list[bytes] = field(default_factory=list)


class Revoked(Exception):
    """The key was revoked while the event waited."""


class Batcher:
    """Collects units and appends them. `recheck(generation, keys) -> keys still good` is called when keys have changed."""

    def __init__(self, *, most_pending: int, recheck: Callable[[int, set[Any]], Awaitable[set[Any]]]) -> None:
        self.most_pending = most_pending
        self.generation = -1
        self.events = 0
        self.commits = 0
        self.pending = 0
        self.pending_bytes = 0
        self._recheck = recheck
        self._units: deque[Unit] = deque()
        self._wake = asyncio.Event()
        self._session: psycopg.AsyncConnection[Any] | None = None
        self._notify: psycopg.AsyncConnection[Any] | None = None
        self._shards: set[int] = set()
        self._shards_wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False

    def has_room(self, count: int) -> bool:
        """May that many more events wait? Bounded in number and in bytes; a lone large batch always gets in."""
        if not self.pending:
            return True
        return self.pending + count <= self.most_pending and self.pending_bytes < PENDING_BYTES

    @property
    def available(self) -> bool:
        return self._session is not None and not self._stopping

    def start(self) -> None:
        self._tasks = [
            asyncio.create_task(self._flush_forever()),
            asyncio.create_task(self._notify_forever()),
        ]

    async def stop(self) -> None:
        """Writes what waits (5 s at most), then closes."""
        self._stopping = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                while self._units or self.pending:
                    await asyncio.sleep(0.01)
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks, timeout=2)
        for session in (self._session, self._notify):
            if session is not None:
                await session.close()

    def add(
        self, events: Sequence[NewEvent], *, size: int, key: Any
    ) -> asyncio.Future[dict[bytes, tuple[bytes, bytes]]]:
        """Queue one request's events. The future ends with the commit, or with Unavailable, Refused or Revoked."""
        future: asyncio.Future[dict[bytes, tuple[bytes, bytes]]] = asyncio.get_running_loop().create_future()
        self._units.append(Unit(events, size, key, future))
        self.pending += len(events)
        self.pending_bytes += size
        self._wake.set()
        return future

    def _take(self) -> list[Unit]:
        units, count, size = [], 0, 0
        while self._units and count < MOST_EVENTS and size < MOST_BYTES:
            unit = self._units.popleft()
            units.append(unit)
            count += len(unit.events)
            size += unit.size
        return units

    async def _flush_forever(self) -> None:
        pause = 0.1
        while True:
            if self._session is None:
                try:
                    self._session = await open_session(name="ingest", plan_cache_mode="force_generic_plan",
                                                       statement_timeout="20s", lock_timeout="15s")  # fmt: skip
                    pause = 0.1
                except psycopg.Error as error:
                    logger.warning(
                        "the log can't be reached: %s", str(error).strip(), extra={"retry_s": pause}
                    )
                    self._fail(self._take(), Unavailable())
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, 2.0)
                    continue
            if not self._units:
                self._wake.clear()
                await self._wake.wait()
            units = self._take()
            try:
                await self._write(units)
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                # Whether it was committed is unknown, so it is no 202; the session is never used again.
                logger.warning("appending failed: %s", str(error).strip())
                self._fail(units, Unavailable())
                session, self._session = self._session, None
                with contextlib.suppress(psycopg.Error):
                    await session.close()
            except psycopg.Error as error:
                # The server said no and rolled back (a full disk, say): nothing of it is stored, and the session lives.
                logger.warning("appending was refused: %s", error.diag.message_primary)
                self._fail(units, Unavailable())
            except Exception:
                logger.exception("appending failed")
                self._fail(units, Unavailable())

    def _fail(self, units: list[Unit], error: Exception) -> None:
        for unit in units:
            self._finish(unit, error)

    def _finish(self, unit: Unit, result: Exception | dict[bytes, tuple[bytes, bytes]]) -> None:
        self.pending -= len(unit.events)
        self.pending_bytes -= unit.size
        if unit.done.done():
            return
        if isinstance(result, Exception):
            unit.done.set_exception(result)
        else:
            unit.done.set_result(result)

    async def _write(self, units: list[Unit]) -> None:
        assert self._session is not None
        while units:
            events = [event for unit in units for event in unit.events]
            try:
                now, duplicates = await log.append(self._session, events=events, generation=self.generation)
            except psycopg.DataError as error:
                if len(units) == 1:
                    logger.warning("an event was refused by the database: %s", error.diag.message_primary)
                    self._finish(units[0], Refused())
                    return
                half = len(units) // 2
                await self._write(units[:half])
                units = units[half:]
                continue
            if duplicates is None:
                self.generation = now
                good = await self._recheck(now, {unit.key for unit in units})
                self._fail([unit for unit in units if unit.key not in good], Revoked())
                units = [unit for unit in units if unit.key in good]
                continue
            first = {}
            if duplicates:
                first = await log.winners(self._session, events=[e for e in events if e.id in duplicates])
            self.commits += 1
            self.events += len(events) - len(duplicates)
            self._announce(events)
            for unit in units:
                self._finish(
                    unit, {e.id: first[e.id] for e in unit.events if e.id in first} if first else first
                )
            return

    def _announce(self, events: list[NewEvent]) -> None:
        self._shards.update(event.shard for event in events)
        self._shards_wake.set()

    async def _notify_forever(self) -> None:
        """NOTIFY on a session of its own, after the commit and coalesced; a lost one costs one poll of the router."""
        while True:
            await self._shards_wake.wait()
            self._shards_wake.clear()
            shards, self._shards = self._shards, set()
            try:
                if self._notify is None:
                    self._notify = await open_session(name="ingest notify", synchronous_commit="off")
                await self._notify.execute(
                    "select pg_notify('hub_events', %s)", (",".join(map(str, shards)),), prepare=True
                )
            except psycopg.Error as error:
                logger.warning("routers could not be notified: %s", str(error).strip())
                session, self._notify = self._notify, None
                if session is not None:
                    with contextlib.suppress(psycopg.Error):
                        await session.close()
                await asyncio.sleep(0.5)
            await asyncio.sleep(0.004)
