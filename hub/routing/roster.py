"""Every subscription as the owner knows it: one matcher for each environment, one endpoint for each subscription.

Loaded once, then only what changed, told by the generation that the router reads together with the events.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from hub.delivery.endpoint import COLUMNS, Endpoint, endpoint_of
from hub.routing.matching import Matcher, Sub


class Session(Protocol):
    async def execute(
        self, query: Any, params: Any = None, *, prepare: bool | None = None, binary: bool = False
    ) -> Any: ...


CHANGED = f"select {COLUMNS} from subscriptions_subscription s where s.generation > %(known)s order by s.id"
ALL = f"select {COLUMNS} from subscriptions_subscription s where s.deleted_at is null order by s.id"
ENVIRONMENTS = """
select e.id, e.paused or t.suspended, e.capture from tenants_environment e join tenants_tenant t on t.id = e.tenant_id
where e.paused or t.suspended or e.capture <> 'failures'"""
GENERATION = "select value from tenants_generation where name = 'subscriptions'"
WITH_LEFTOVERS = """
select s.id from subscriptions_subscription s where s.deleted_at is not null
and not exists (select from ended x where x.sub = s.id)"""


class Roster:
    """`changed(endpoint)` is called for each subscription that is not what it was. `paused`: nothing at all is sent."""

    def __init__(self, changed: Callable[[Endpoint], None], *, paused: bool = False) -> None:
        self.generation = -1
        self.endpoints: dict[int, Endpoint] = {}
        self._matchers: dict[int, Matcher] = {}
        self._special: dict[int, tuple[bool, str]] = {}
        self._changed, self._paused = changed, paused

    async def load(self, session: Session) -> None:
        """Catch up with the tables. The generation is read first, so a change in between is only read twice."""
        row = await (await session.execute(GENERATION, prepare=True)).fetchone()
        generation = row[0] if row else 0
        first = self.generation < 0
        special = {env: (paused, capture) for env, paused, capture in await _rows(session, ENVIRONMENTS, {})}
        rows = await _rows(session, ALL if first else CHANGED, {} if first else {"known": self.generation})
        touched = {
            env for env in special.keys() | self._special.keys() if special.get(env) != self._special.get(env)
        }
        self._special = special
        self.generation = generation
        for values in rows:
            self._put(endpoint_of(values))
        if touched:
            for endpoint in list(self.endpoints.values()):
                if endpoint.env in touched:
                    self._flag(endpoint)
                    self._changed(endpoint)

    def _flag(self, endpoint: Endpoint) -> None:
        paused, endpoint.env_capture = self._special.get(endpoint.env, (False, "failures"))
        endpoint.env_paused = paused or self._paused

    def _put(self, endpoint: Endpoint) -> None:
        self._flag(endpoint)
        matcher = self._matchers.get(endpoint.env)
        if matcher is None:
            matcher = self._matchers[endpoint.env] = Matcher()
        if endpoint.deleted:
            if endpoint.id in matcher:
                matcher.remove(endpoint.id)
            self.endpoints.pop(endpoint.id, None)
        else:
            self.endpoints[endpoint.id] = endpoint
            sub = Sub(
                endpoint.id, endpoint.shard, endpoint.consumer, tuple(endpoint.patterns), frozenset(endpoint.channels),
                endpoint.routed,
            )  # fmt: skip
            matcher.replace(sub)
        self._changed(endpoint)

    def match(
        self, *, env: int, type: str, consumer: int | None, channels: list[str] | None
    ) -> tuple[Sub, ...]:
        """Who gets this event, each subscription once."""
        matcher = self._matchers.get(env)
        if matcher is None:
            return ()
        return matcher.match(type=type, consumer=consumer, channels=frozenset(channels) if channels else None)


async def _rows(session: Session, sql: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    cursor = await session.execute(sql, values, prepare=True)
    rows: list[tuple[Any, ...]] = await cursor.fetchall()
    return rows
