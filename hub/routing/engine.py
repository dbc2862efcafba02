"""The engine of one process: term after term of ownership on one event loop, woken by notifications, reporting on itself.

It never gives up: while the database is away it waits, with backoff, and sends nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import secrets
import socket
from collections.abc import Mapping
from typing import Any

import orjson
import psycopg
from django.conf import settings

from hub.core.http.sender import Sender
from hub.core.http.tokens import Tokens
from hub.delivery.detours import Detours
from hub.delivery.tally import Tally
from hub.eventlog import partitions
from hub.eventlog.connect import open_session
from hub.routing.fence import Fence, Lost
from hub.routing.hosting import Companion, Limits
from hub.routing.term import Term
from hub.sinks.session import SinkSession
from hub.subscriptions import vault

logger = logging.getLogger(__name__)

CHANNELS = ("hub_events", "hub_parcels", "hub_commands", "hub_changes")
PARTITIONED = ["event", "routed", "attempt", "capture", "event_key"]
STATUS_S = 5.0
PARTITIONS_S = 600.0
STATUS = """
insert into engine_status (engine, shards, stats) values (%s, %s::int2[], %s::jsonb)
on conflict (engine) do update set at = clock_timestamp(), shards = excluded.shards, stats = excluded.stats"""
FORGET = "delete from engine_status where at < clock_timestamp() - interval '1 minute'"


class Engine:
    """One a process; `run()` lives on a loop of its own thread. `companions`: who works beside each of its terms, by name."""

    def __init__(self, companions: Mapping[str, Companion] | None = None) -> None:
        self.tally = Tally()
        self.companions = dict(companions or {})
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self.number = secrets.randbelow(2**31 - 1) + 1
        self.term: Term | None = None
        self._stop = asyncio.Event()
        self._background: psycopg.AsyncConnection[Any] | None = None

    def stop(self) -> None:
        """Finish what is in flight, record it, give everything up. Call it on the loop."""
        self._stop.set()
        if self.term is not None:
            self.term.stop()

    async def run(self) -> None:
        env = settings.ENV
        sender = Sender(
            guard=vault.guard(), ca_file=env["OUTBOUND_CA_FILE"] or None, proxy=env["OUTBOUND_PROXY"],
            # Subscriptions of one host share its connections; closing some of a burst would only open them again.
            max_idle=env["ENGINE_SENDS"], max_idle_per_host=env["ENGINE_SENDS"], user_agent="Trunkline/1.0",
        )  # fmt: skip
        tokens = Tokens(sender, allow_http=env["OUTBOUND_HTTP"])
        sinks = SinkSession()
        detours = Detours(sender, sinks)
        helpers = [asyncio.create_task(self._listen_forever()), asyncio.create_task(self._tend_forever())]
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        pause = 0.1
        try:
            while not self._stop.is_set():
                try:
                    fence = await Fence.open()
                except (psycopg.Error, Lost) as error:
                    logger.warning("the database can't be reached; nothing is sent: %s", str(error).strip())
                    await self._nap(pause)
                    pause = min(pause * 2, 2.0)
                    continue
                pause = 0.1
                try:
                    self.term = Term(
                        fence=fence, sender=sender, tokens=tokens, detours=detours, limits=self._limits(),
                        tally=self.tally, number=self.number, companions=list(self.companions.values()),
                    )  # fmt: skip
                    await self.term.run()
                except (Lost, psycopg.OperationalError) as error:
                    logger.warning("ownership ended; starting anew: %s", str(error).strip() or "session lost")
                    await self._nap(0.05)
                except Exception:
                    logger.exception("the engine's term failed; starting anew")
                    await self._nap(1.0)
                finally:
                    self.term = None
                    await fence.close()
        finally:
            for task in helpers:
                task.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
            tokens.close()
            await sinks.close()
            await sender.aclose()

    @staticmethod
    def _limits() -> Limits:
        env = settings.ENV
        return Limits(env["ENGINE_SENDS"], env["CAPTURE_BYTES"], env["OUTBOUND_HTTP"], env["PAUSED"])

    async def _nap(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stop.wait()

    async def _listen_forever(self) -> None:
        """Notifications on a session of their own; a lost one costs at most the next poll."""
        while True:
            try:
                session = await open_session(name="engine listen")
                async with session:
                    for channel in CHANNELS:
                        await session.execute(f"listen {channel}", prepare=False)
                    async for note in session.notifies():
                        self._heard(note.channel, note.payload)
            except psycopg.Error:
                logger.info("notifications are interrupted; the router polls meanwhile")
            await asyncio.sleep(0.5)

    def _heard(self, channel: str, payload: str) -> None:
        term = self.term
        if term is None:
            return
        if channel == "hub_events":
            term.mark({int(word) for word in payload.split(",") if word})
        elif channel == "hub_parcels":
            term.told_of_parcels([int(word) for word in payload.split(",") if word])
        elif channel == "hub_commands":
            term.told_of_commands()
        else:
            term.told_of_changes()

    async def _tend_forever(self) -> None:
        """Partitions ahead, and a line about itself for /metrics and doctor."""
        partitions_due = 0.0
        loop = asyncio.get_running_loop()
        while True:
            try:
                if self._background is None:
                    self._background = await open_session(
                        name="engine tending",
                        lock_timeout="2s",
                        statement_timeout="30s",
                        synchronous_commit="off",
                    )
                session = self._background
                if loop.time() >= partitions_due:
                    await ensure_partitions(session)
                    partitions_due = loop.time() + PARTITIONS_S
                owned = sorted(self.term.owned) if self.term is not None else []
                stats = orjson.dumps(self._stats()).decode()
                await session.execute(
                    STATUS, (self.name, "{" + ",".join(map(str, owned)) + "}", stats), prepare=True
                )
                await session.execute(FORGET, prepare=True)
            except psycopg.Error as error:
                logger.warning("tending failed, tried again soon: %s", str(error).strip())
                broken, self._background = self._background, None
                if broken is not None:
                    with contextlib.suppress(psycopg.Error):
                        await broken.close()
            await asyncio.sleep(STATUS_S)

    def _stats(self) -> dict[str, Any]:
        stats = self.tally.snapshot()
        stats |= {name: companion.stats() for name, companion in self.companions.items()}
        if self.term is not None:
            d = self.term.dispatcher
            stats["lanes"] = len(d.lanes)
            stats["in_flight"] = len(d.tasks)
            stats["unrecorded"] = len(d.outcomes)
        return stats


async def ensure_partitions(session: psycopg.AsyncConnection[Any]) -> int:
    """Make the days that are missing, a lock of 2 s at most for each; how many were made."""
    rows = await (await session.execute(partitions.MISSING, partitions.wanted(PARTITIONED))).fetchall()
    for parent, day in rows:
        await session.execute(partitions.MAKE, (parent, day))
    return len(rows)
