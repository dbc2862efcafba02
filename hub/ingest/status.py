"""What an ingest process says of itself, as a row that the pages read for /metrics and /readyz. It never says whose events."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from typing import Any

import orjson
import psycopg

from hub.eventlog.connect import open_session
from hub.ingest.intake import Intake

logger = logging.getLogger(__name__)

LOOK_S = 0.25
EVERY_S = 1.0
# While nothing changes, a sign of life is enough.
QUIET_S = 5.0
TELL = """
with gone as (delete from ingest_status where at < clock_timestamp() - interval '1 minute')
insert into ingest_status (process, stats) values (%s, %s::jsonb)
on conflict (process) do update set at = clock_timestamp(), stats = excluded.stats"""


class Status:
    """One a process; `tell_forever()` never fails: while the database is away, the row grows old, which says enough."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self.process = f"{socket.gethostname()}:{os.getpid()}"

    def stats(self) -> dict[str, int | bool]:
        """Counts since the start of the process, and whether it can take events."""
        batcher = self._intake.batcher
        return {
            "events": batcher.events,
            "refused": self._intake.refused,
            "commits": batcher.commits,
            "pending": batcher.pending,
            "available": batcher.available,
        }

    async def tell_forever(self) -> None:
        session: psycopg.AsyncConnection[Any] | None = None
        told: dict[str, int | bool] = {}
        told_at = 0.0
        loop = asyncio.get_running_loop()
        try:
            while True:
                stats, age_s = self.stats(), loop.time() - told_at
                # Whether it can take events is told at once.
                changed = stats["available"] != told.get("available") or (stats != told and age_s > EVERY_S)
                if changed or age_s > QUIET_S:
                    try:
                        if session is None:
                            session = await open_session(
                                name="ingest status", synchronous_commit="off", statement_timeout="2s"
                            )
                        await session.execute(
                            TELL, (self.process, orjson.dumps(stats).decode()), prepare=True
                        )
                        told, told_at = stats, loop.time()
                    except psycopg.Error as error:
                        logger.info("the status of ingest was not told: %s", str(error).strip())
                        broken, session = session, None
                        if broken is not None:
                            with contextlib.suppress(psycopg.Error):
                                await broken.close()
                await asyncio.sleep(LOOK_S)
        finally:
            if session is not None:
                await session.close()
