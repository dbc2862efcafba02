"""Rows of the log and of deliveries, written as the hub's processes write them, for those who only read. It checks nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from hub.core import ids
from hub.delivery.outcome import Reason
from hub.subscriptions.models import Subscription
from hub.tenants.models import Consumer, Environment

_positions = count(1)


@dataclass(frozen=True, slots=True)
class Row:
    """An event that was written."""

    id: str
    raw: bytes
    seq: int
    shard: int
    day: date
    at: datetime

    def delivery(self, subscription: Subscription, run: int = 0) -> str:
        return ids.delivery_id(self.raw, subscription.id, run)


@contextmanager
def never_committed(blocker: Any) -> Iterator[None]:
    """For fixtures of a whole module: a transaction around its tests, rolled back at the end."""
    around = transaction.atomic()
    with blocker.unblock():
        around.__enter__()
        try:
            yield
        finally:
            transaction.set_rollback(True)
            around.__exit__(None, None, None)


def run(sql: str, *values: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchone() if cursor.description else None


def insert(table: str, **columns: Any) -> None:
    names = ", ".join(columns)
    run(f"insert into {table} ({names}) values ({', '.join(['%s'] * len(columns))})", *columns.values())


def event(
    environment: Environment, *, consumer: Consumer | None = None, at: datetime | None = None,
    type: str = "order.created", data: bytes = b'{"n":1.10}', **more: Any,
) -> Row:  # fmt: skip
    """In the shard it belongs to. `at` moves its id and its day; the offset is the next one all the same."""
    at = at or datetime.now(UTC)
    raw = ids.uuid7(int(at.timestamp() * 1000))
    shard = more.pop("shard", environment.shard if consumer is None else consumer.shard)
    if at < datetime.now(UTC) - timedelta(days=1):
        for table in ("event", "attempt", "capture"):
            run("select hub_make_day(%s, %s)", table, at.date())
    (seq,) = run("select nextval('event_seq')")
    insert(
        "event", day=at.date(), shard=shard, seq=seq, id=UUID(bytes=raw), env=environment.id,
        consumer=None if consumer is None else consumer.id, size=len(data), created_at=at, type=type, data=data, **more,
    )  # fmt: skip
    return Row(ids.encode("evt", raw), raw, seq, shard, at.date(), at)


def parcel(subscription: Subscription, events: Iterable[Row]) -> None:
    """They wait, all of one shard and day."""
    rows = sorted(events, key=lambda row: row.seq)
    insert(
        "parcel", shard=subscription.shard, sub=subscription.id, src=rows[0].shard, first_seq=rows[0].seq,
        day=rows[0].day, seqs=[row.seq for row in rows],
    )  # fmt: skip


def due(
    subscription: Subscription,
    row: Row,
    *,
    attempts: int = 1,
    run: int = 0,
    held: bool = False,
    in_s: float = 60,
) -> None:
    insert(
        "due", shard=subscription.shard, sub=subscription.id, seq=row.seq, run=run, src=row.shard, day=row.day,
        due_at=datetime.now(UTC) + timedelta(seconds=in_s), attempt=attempts, held=held, subject=1 if held else None,
    )  # fmt: skip


def attempt(
    subscription: Subscription, row: Row, *, n: int = 1, run: int = 0, finish: int = 0,
    reason: Reason = Reason.http_5xx, http: int = 500, at: datetime | None = None, **more: Any,
) -> None:  # fmt: skip
    sent = {} if reason in (Reason.cancelled, Reason.expired) else {"digest": b"12345678"}
    insert(
        "attempt", day=row.day, shard=subscription.shard, pos=next(_positions), env=subscription.environment_id,
        sub=subscription.id, seq=row.seq, run=run, src=row.shard, event_id=UUID(bytes=row.raw), n=n,
        at=at or row.at + timedelta(seconds=n), version=subscription.version, http=http, reason=int(reason), finish=finish,
        **sent, **more,
    )  # fmt: skip


def delivered(subscription: Subscription, row: Row, **more: Any) -> None:
    attempt(subscription, row, finish=1, reason=Reason.delivered, http=200, **more)


def dead(subscription: Subscription, row: Row, **more: Any) -> None:
    attempt(subscription, row, finish=2, **more)


def capture(
    subscription: Subscription, row: Row, *, n: int = 1, run: int = 0, body: bytes = b"no", truncated: bool = False,
    request: bytes = b"webhook-id: msg_1\r\nwebhook-signature: v1,abc\r\n", headers: bytes = b"content-type: text/plain\r\n",
) -> None:  # fmt: skip
    insert(
        "capture", day=row.day, sub=subscription.id, seq=row.seq, run=run, n=n, request=request, headers=headers, body=body,
        truncated=truncated,
    )  # fmt: skip


def routed(shard: int, step: int, *, prev: int, upto: int, unmatched: Iterable[int] = ()) -> None:
    insert(
        "routed", day=datetime.now(UTC).date(), shard=shard, step=step, prev=prev, upto=upto,
        upto_day=datetime.now(UTC).date(), generation=0, events=1, pairs=1, unmatched=list(unmatched),
    )  # fmt: skip
