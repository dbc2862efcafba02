"""Some hundred deliveries in every state, written as facts, and what is known of each without reading one back."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from hub.delivery.outcome import Reason
from hub.subscriptions.models import Subscription
from hub.tenants.models import Consumer
from tests.cast import Cast
from tests.eventlog import rows
from tests.eventlog.rows import Row
from tests.eventlog.scene import subscribe

NOW = datetime.now(UTC).replace(microsecond=0)
TYPES = ("order.paid", "order.created", "order.item.added", "user.made", "ping", "hub.delivery.dead")
SUBJECTS = (None, "", "o-1", "o-2", "u-1")
FAILURES = (
    (Reason.http_5xx, 500), (Reason.http_5xx, 503), (Reason.http_429, 429), (Reason.http_404, 404), (Reason.http_3xx, 301),
    (Reason.dns, 0), (Reason.connect_timeout, 0), (Reason.read_timeout, 0), (Reason.read_timeout, 200), (Reason.reset, 502),
)  # fmt: skip


@dataclass(frozen=True)
class Told:
    """An event that was written."""

    row: Row
    type: str
    subject: str | None
    consumer: Consumer | None
    number: int
    text: str


@dataclass
class Made:
    """A delivery, and how it stands. `at`, `pos`: of its last attempt. `kept`: headers of each attempt that was captured."""

    event: Told
    sub: Subscription
    run: int
    state: str = "waiting"
    http: int = 0
    reason: Reason | None = None
    attempts: int = 0
    latency_us: int | None = None
    at: datetime | None = None
    order: int = 0
    kept: list[set[tuple[str, str]]] = field(default_factory=list)

    @property
    def id(self) -> str:
        return self.event.row.delivery(self.sub, self.run)

    @property
    def accepted_ms(self) -> int:
        return round(self.event.row.at.timestamp() * 1000)


class Crowd:
    """Nine subscriptions of Alice's, three of them consumers', one deleted; and a few of Charlie's."""

    def __init__(self, cast: Cast, *, seed: int, events: int) -> None:
        self.cast, self.random = cast, random.Random(seed)
        scope = cast.alice.scope
        self.subs = [subscribe(scope, name=f"shop {n % 2}") for n in range(6)]
        self.subs += [subscribe(scope, consumer=uid) for uid in ("acme", "acme", "globex")]
        Subscription.objects.update(created_at=NOW - timedelta(days=9))
        self.deleted = self.subs[5]
        self.deliveries: list[Made] = []
        self.events = [self._event(number, events) for number in range(events)]
        for told in self.events:
            for sub in self.subs:
                if (
                    sub.consumer_id in (None, told.consumer and told.consumer.id)
                    and self.random.random() < 0.55
                ):
                    self._delivery(told, sub)
        Subscription.objects.filter(id=self.deleted.id).update(deleted_at=NOW)
        stranger = subscribe(cast.charlie.scope)
        for _ in range(5):
            rows.dead(stranger, rows.event(cast.charlie.live, subject="o-1"))

    def _event(self, number: int, of: int) -> Told:
        draw = self.random
        age = timedelta(days=3) * (of - number) / of
        consumer = draw.choice((None, None, self.cast.acme, self.cast.globex))
        value, text = draw.randrange(6), draw.choice(("Zo\u00eb", "plain", "n/a"))
        told = Told(
            rows.event(
                self.cast.alice.live, at=NOW - age, consumer=consumer, type=(type := draw.choice(TYPES)),
                subject=(subject := draw.choice(SUBJECTS)),
                data=b'{"customer":{"id":%d},"text":"%b"}' % (value, text.encode()),
            ),
            type, subject, consumer, value, text,
        )  # fmt: skip
        return told

    def _delivery(self, told: Told, sub: Subscription) -> None:
        states = ["delivered"] * 6 + ["dead", "dead", "retrying", "retrying", "cancelled", "expired"]
        if sub is not self.deleted:
            states += ["waiting", "waiting", "held"]
        first = self._run(told, sub, 0, self.random.choice(states))
        if first.state == "dead" and sub is not self.deleted and self.random.random() < 0.4:
            self._run(told, sub, 5, self.random.choice(["waiting", "delivered", "retrying"]))

    def _run(self, told: Told, sub: Subscription, run: int, state: str) -> Made:
        draw, made = self.random, Made(told, sub, run)
        self.deliveries.append(made)
        least = 0 if state in ("cancelled", "expired") else 1
        tries = 0 if state in ("waiting", "held") else draw.choice((least, 1, 1, 2, 3, 4))
        moment = told.row.at + timedelta(seconds=run * 1000)
        for n in range(1, tries + 1):
            moment += timedelta(seconds=draw.randrange(1, 9000), microseconds=draw.randrange(1_000_000))
            ended = n == tries and state in ("delivered", "dead")
            self._attempt(made, n, moment, finish={"delivered": 1, "dead": 2}[state] if ended else 0)
        made.attempts, made.state = tries, state
        if state in ("cancelled", "expired"):
            made.at = moment + timedelta(seconds=3)
            made.reason, made.http, made.latency_us = Reason[state], 0, None
            rows.attempt(sub, told.row, n=tries, run=run, at=made.at, http=0, reason=made.reason,
                         finish={"cancelled": 3, "expired": 4}[state], total_us=0)  # fmt: skip
        elif sub is self.deleted and state == "retrying":
            made.state, made.reason = "cancelled", Reason.subscription_deleted
        elif state == "retrying":
            rows.due(sub, told.row, attempts=tries, run=run)
        elif state == "held":
            rows.due(sub, told.row, attempts=0, run=run, held=True)
        elif state == "waiting" and run:
            rows.due(sub, told.row, attempts=0, run=run)
        elif state == "waiting" or draw.random() < 0.2:
            # A parcel stays until all that was in it is done.
            rows.parcel(sub, [told.row])
        return made

    def _attempt(self, made: Made, n: int, at: datetime, *, finish: int) -> None:
        draw = self.random
        reason, http = (
            (Reason.delivered, draw.choice((200, 200, 204))) if finish == 1 else draw.choice(FAILURES)
        )
        took = draw.choice((900, 40_000, 250_000, 250_001, 900_000, 2_000_000))
        rows.attempt(
            made.sub,
            made.event.row,
            n=n,
            run=made.run,
            at=at,
            http=http,
            reason=reason,
            finish=finish,
            total_us=took,
        )
        made.http, made.reason, made.latency_us, made.at = http, reason, took, at
        if draw.random() < 0.5:
            sent, answered = draw.choice("ab"), draw.choice("bc")
            rows.capture(
                made.sub, made.event.row, n=n, run=made.run,
                request=f"webhook-id: x\r\nX-Way: {sent}\r\n".encode(), headers=f"x-way:  {answered}\r\n".encode(),
            )  # fmt: skip
            made.kept.append({("webhook-id", "x"), ("x-way", sent), ("x-way", answered)})


def sorted_by(order: str, found: list[Made]) -> list[str]:
    """Ids in the order that a list claims."""

    def key(made: Made) -> Any:
        if order == "at":
            return made.at, made.sub.id
        return made.event.row.raw, made.sub.id, made.run

    return [made.id for made in sorted(found, key=key, reverse=True)]
