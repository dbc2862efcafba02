"""Commands for deliveries, handed in and followed, and what routing made of an event.

Nothing here changes a delivery: the owner of its shard does, when it applies the command.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from django.db import connection, transaction

from hub.core import ids
from hub.delivery.outcome import Reason
from hub.delivery.selectors import Delivery, target
from hub.delivery.states import State
from hub.eventlog.selectors import Conditions, Event, fetch, of_type
from hub.routing.commands import SUBMIT
from hub.tenants import refusals
from hub.tenants.scoping import Scope
from hub.tenants.services import audit

KINDS: Final = ("retry", "cancel", "requeue")
MOST: Final = 10_000
"""Commands that one bulk request makes at most."""
EXAMINED: Final = 100_000
CANCELLABLE: Final = (State.waiting, State.retrying, State.held)
_NOTIFY = "SELECT pg_notify('hub_commands', '')"
_BULK_LOCK = 13

_REQUEUE_DEAD = """
WITH pick AS (
  SELECT a.env, s.shard, a.sub, a.seq, a.src, a.day, a.run
  FROM (SELECT * FROM attempt a WHERE {where} AND a.finish = 2 ORDER BY a.at LIMIT {examined}) a
  JOIN subscriptions_subscription s ON s.id = a.sub AND s.environment_id = a.env AND s.deleted_at IS NULL
  WHERE {rest}
    AND NOT EXISTS (SELECT FROM attempt b WHERE b.sub = a.sub AND b.seq = a.seq AND b.run > a.run AND b.day = a.day)
    AND NOT EXISTS (SELECT FROM due d WHERE d.sub = a.sub AND d.seq = a.seq AND d.run > a.run)
    AND NOT EXISTS (SELECT FROM command c WHERE c.sub = a.sub AND c.seq = a.seq AND c.run = a.run
                    AND c.kind = 'requeue' AND c.applied_at IS NULL)
  ORDER BY a.at LIMIT %s),
 made AS (
  INSERT INTO command (env, shard, sub, kind, seq, src, day, run, actor)
  SELECT env, shard, sub, 'requeue', seq, src, day, run, %s FROM pick LIMIT %s RETURNING 1)
SELECT (SELECT count(*) FROM made), (SELECT count(*) FROM pick)"""

_CANCEL_OPEN = """
WITH rows AS (
  SELECT seq, run, src, day, CASE WHEN held THEN 'held' WHEN attempt > 0 THEN 'retrying' ELSE 'waiting' END AS state
  FROM due WHERE shard = %(shard)s AND sub = %(sub)s
  UNION ALL
  SELECT q.seq, 0, p.src, p.day, 'waiting' FROM parcel p CROSS JOIN LATERAL unnest(p.seqs) q(seq)
  WHERE p.shard = %(shard)s AND p.sub = %(sub)s AND p.run = 0
    AND NOT EXISTS (SELECT FROM due d WHERE d.sub = p.sub AND d.seq = q.seq AND d.run = 0)
    AND NOT EXISTS (SELECT FROM attempt a WHERE a.sub = p.sub AND a.seq = q.seq AND a.run = 0 AND a.day = p.day)),
 pick AS (
  SELECT * FROM rows r WHERE state = ANY(%(states)s)
    AND NOT EXISTS (SELECT FROM command c WHERE c.sub = %(sub)s AND c.seq = r.seq AND c.run = r.run
                    AND c.kind = 'cancel' AND c.applied_at IS NULL)
  LIMIT %(limit)s + 1),
 made AS (
  INSERT INTO command (env, shard, sub, kind, seq, src, day, run, actor)
  SELECT %(env)s, %(shard)s, %(sub)s, 'cancel', seq, src, day, run, %(actor)s FROM pick LIMIT %(limit)s RETURNING 1)
SELECT (SELECT count(*) FROM made), (SELECT count(*) FROM pick)"""

# Steps have no gap, and their offsets ascend with them: halving finds the one that routed an offset.
_ROUTED_BY = """
WITH RECURSIVE s(low, high, upto) AS (
  SELECT 0::bigint, l.step, l.upto
  FROM (SELECT step, upto FROM routed WHERE shard = %(shard)s ORDER BY step DESC LIMIT 1) l
  UNION ALL
  SELECT CASE WHEN m.upto >= %(seq)s THEN s.low ELSE (s.low + s.high) / 2 END,
         CASE WHEN m.upto >= %(seq)s THEN (s.low + s.high) / 2 ELSE s.high END, s.upto
  FROM s LEFT JOIN LATERAL (SELECT upto FROM routed r WHERE r.shard = %(shard)s AND r.step = (s.low + s.high) / 2) m ON true
  WHERE s.high - s.low > 1 AND s.upto >= %(seq)s)
SELECT s.upto >= %(seq)s, (SELECT %(seq)s = ANY(r.unmatched) FROM routed r WHERE r.shard = %(shard)s AND r.step = s.high)
FROM s ORDER BY s.high - s.low LIMIT 1"""

_COMMAND = """c.id, c.at, c.kind, s.uid, s.id, c.run, e.id, c.actor, c.applied_at, c.result
FROM command c JOIN subscriptions_subscription s ON s.id = c.sub
LEFT JOIN event e ON e.shard = c.src AND e.seq = c.seq AND e.day = c.day"""


@dataclass(frozen=True, slots=True)
class Bulk:
    """How many commands were made; and whether the limit left some out."""

    queued: int
    truncated: bool


@dataclass(frozen=True, slots=True)
class Followed:
    """A command and what became of it. `event` 16 bytes, None when it is no longer kept."""

    number: int
    at: datetime
    kind: str
    subscription: str
    sub: int
    run: int
    event: bytes | None
    actor: str
    applied_at: datetime | None
    result: str | None

    @property
    def id(self) -> str:
        return f"cmd_{self.number}"

    @property
    def status(self) -> str:
        """pending, done or refused."""
        if self.applied_at is None:
            return "pending"
        return "refused" if (self.result or "").startswith(("refused", "nothing to do")) else "done"

    @property
    def delivery(self) -> str | None:
        return None if self.event is None else ids.delivery_id(self.event, self.sub, self.run)

    @property
    def new_delivery(self) -> str | None:
        """The run that a requeue began."""
        if self.event is None or self.kind != "requeue" or self.status != "done":
            return None
        return ids.delivery_id(self.event, self.sub, self.number)


def submit(*, scope: Scope, delivery: Delivery, kind: str) -> int:
    """Ask for `retry`, `cancel` or `requeue` of a delivery that came through the scope. The command's number."""
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is no command; there are {', '.join(KINDS)}")
    values = {
        "env": scope.environment_id, "shard": delivery.target.shard, "sub": delivery.target.id, "kind": kind,
        "seq": delivery.seq, "src": delivery.src, "day": delivery.day, "run": delivery.run, "actor": scope.actor,
    }  # fmt: skip
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(SUBMIT, values)
        number = int(cursor.fetchone()[0])
        cursor.execute(_NOTIFY)
        audit.record(
            scope=scope,
            action=f"delivery.{kind}",
            target_kind="delivery",
            target=delivery.id,
            changes={"command": [None, f"cmd_{number}"]},
        )
    return number


def requeue_dead(
    *,
    scope: Scope,
    subscription: str | None = None,
    type: str | None = None,
    reason: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = MOST,
) -> Bulk:
    """A new run for each dead letter of the scope that has had none since; those that died first come first.

    `reason` is a code such as "http-5xx"; `since` (inclusive) and `until` say when it died.
    """
    where, rest = Conditions(), Conditions()
    where.add("a.env = %s", scope.environment_id)
    if since is not None:
        where.add("a.at >= %s", since)
    if until is not None:
        where.add("a.at < %s AND a.day <= %s", until, until.astimezone(UTC).date())
    if reason is not None:
        where.add("a.reason = %s", _reason(reason))
    rest.add("s.environment_id = %s", scope.environment_id)
    if scope.consumer_id is not None:
        rest.add("s.consumer_id = %s", scope.consumer_id)
    if subscription is not None:
        where.add("a.sub = %s", target(scope, uid=subscription, live=True).id)
    if type is not None:
        match = Conditions()
        of_type(match, type)
        rest.add(
            f"EXISTS (SELECT FROM event e WHERE e.shard = a.src AND e.seq = a.seq AND e.day = a.day AND {match})",
            *match.values,
        )
    sql = _REQUEUE_DEAD.format(where=where, rest=rest, examined=EXAMINED)
    beyond = f"SELECT 1 FROM attempt a WHERE {where} AND a.finish = 2 ORDER BY a.at OFFSET {EXAMINED} LIMIT 1"
    asked = {"subscription": subscription, "type": type, "reason": reason, "since": since, "until": until}
    values = [*where.values, *rest.values, limit + 1, scope.actor, limit]
    made = _bulk(scope, "requeue", asked, sql, values, limit)
    return made if made.truncated else Bulk(made.queued, bool(fetch(beyond, where.values)))


def cancel_open(
    *, scope: Scope, subscription: str, states: tuple[State, ...] = CANCELLABLE, limit: int = MOST
) -> Bulk:
    """End what a subscription still has before it, as far as it is in one of these states."""
    reached = target(scope, uid=subscription, live=True)
    values = {
        "env": scope.environment_id, "shard": reached.shard, "sub": reached.id, "actor": scope.actor,
        "states": [str(state) for state in states], "limit": limit,
    }  # fmt: skip
    asked = {"subscription": subscription, "states": [str(state) for state in states]}
    return _bulk(scope, "cancel", asked, _CANCEL_OPEN, values, limit)


def command(*, scope: Scope, id: str) -> Followed:
    """By its cmd_ id, or a 404."""
    digits = id.removeprefix("cmd_")
    wanted = id.startswith("cmd_") and digits.isascii() and digits.isdigit() and len(digits) <= 18
    if not wanted or digits != str(int(digits)):
        raise refusals.not_found("command")
    where = Conditions()
    where.add("c.id = %s AND c.env = %s", int(digits), scope.environment_id)
    if scope.consumer_id is not None:
        where.add("s.consumer_id = %s", scope.consumer_id)
    found = fetch(f"SELECT {_COMMAND} WHERE {where}", where.values)
    if not found:
        raise refusals.not_found("command")
    return _followed(found[0])


def commands_of(delivery: Delivery, *, limit: int = 100) -> list[Followed]:
    """Of a delivery that came through a scope, the last one first."""
    found = fetch(
        f"SELECT {_COMMAND} WHERE c.sub = %s AND c.seq = %s AND c.run = %s AND c.day = %s ORDER BY c.id DESC LIMIT %s",
        [delivery.target.id, delivery.seq, delivery.run, delivery.day, limit],
    )
    return [_followed(row) for row in found]


def routing_of(event: Event) -> str:
    """pending, routed, or unmatched: nobody had subscribed to it."""
    with connection.cursor() as cursor:
        cursor.execute(_ROUTED_BY, {"shard": event.shard, "seq": event.seq})
        row = cursor.fetchone()
    if row is None or not row[0]:
        return "pending"
    return "unmatched" if row[1] else "routed"


def _bulk(scope: Scope, kind: str, asked: Mapping[str, Any], sql: str, values: Any, limit: int) -> Bulk:
    with transaction.atomic(), connection.cursor() as cursor:
        # Two at once would queue the same deliveries twice.
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_BULK_LOCK, scope.environment_id])
        cursor.execute(sql, values)
        queued, found = cursor.fetchone()
        if queued:
            cursor.execute(_NOTIFY)
            changes = {
                name: [None, value.isoformat() if isinstance(value, datetime) else value]
                for name, value in asked.items()
                if value is not None
            }
            audit.record(
                scope=scope, action=f"deliveries.{kind}", target_kind="environment", target=scope.environment().uid,
                changes=changes | {"queued": [0, queued]},
            )  # fmt: skip
    return Bulk(queued, found > limit)


def _reason(code: str) -> int:
    try:
        return int(Reason.from_code(code))
    except ValueError as error:
        raise refusals.invalid([("reason", str(error))]) from None


def _followed(row: tuple[Any, ...]) -> Followed:
    values = list(row)
    values[6] = None if values[6] is None else values[6].bytes
    return Followed(*values)
