"""How an engine gives a delivery to a sink: by a database session of its own, and no network. It never sees the fence."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg

from hub.eventlog.connect import open_session
from hub.sinks import catching, statements
from hub.sinks.catching import Answer, Request


class SinkSession:
    """One for an event loop. It connects at the first delivery to a sink, and anew where an older session turns out to
    be broken; so around a crash a sink may show a request twice, as any endpoint might.
    """

    def __init__(self) -> None:
        self._session: psycopg.AsyncConnection[tuple[Any, ...]] | None = None
        self._turn = asyncio.Lock()

    async def catch(self, request: Request, *, environment: int, signature: str) -> Answer:
        """Keep it, if the token is of a sink of this environment; what the sink answers. Raises psycopg.Error."""
        row = catching.row(request, environment=environment, signature=signature)
        async with self._turn:
            if self._session is None:
                return catching.answer(await self._ask(row))
            try:
                return catching.answer(await self._ask(row))
            except psycopg.OperationalError:
                await self.close()
                return catching.answer(await self._ask(row))

    async def _ask(self, row: dict[str, Any]) -> Any:
        if self._session is None:
            self._session = await open_session(
                name="engine sinks", statement_timeout="5s", synchronous_commit="off"
            )
        cursor = await self._session.execute(statements.CATCH, row, prepare=True)
        return await cursor.fetchone()

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()
