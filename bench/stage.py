"""What every row works with: a hub, receivers, environments, load, and the books that must balance after each run."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from bench import processes
from bench.hub import Hub, Player
from bench.processes import BenchFailed, until
from bench.receiving import Receiver

ENVIRONMENTS = 8
TYPE = "bench.event"

# Unrouted events, and deliveries that wait in parcels or for a retry.
UNROUTED = """
select coalesce(sum(c.n), 0) from generate_series(0, 63) s(shard)
left join lateral (select r.upto, r.upto_day from routed r where r.shard = s.shard and r.day >= current_date - 1
                   order by r.step desc limit 1) l on true
cross join lateral (select count(*) n from event e where e.shard = s.shard and e.seq > coalesce(l.upto, 0)
                    and e.day >= coalesce(l.upto_day, current_date - 1)) c"""
WAITING = """
select (select coalesce(sum(cardinality(seqs)), 0) from parcel where sub = any(%s)) + (select count(*) from due where sub = any(%s))"""
BOOKS = """
select count(*), count(*) filter (where finish = 1), count(distinct (sub, seq, run)) from attempt where sub = any(%s)"""


@dataclass(frozen=True, slots=True)
class Subscription:
    id: int
    uid: str
    player: Player
    path: str


@dataclass(slots=True)
class Meter:
    """CPU seconds by role between two looks; the generator tells its own."""

    stage: Stage
    before: dict[str, float] = field(default_factory=dict)
    used: dict[str, float] = field(default_factory=dict)

    def begin(self) -> Meter:
        self.before = self.stage.cpu_s()
        return self

    def end(self, *loads: dict[str, Any]) -> Meter:
        after = self.stage.cpu_s()
        self.used = {name: after[name] - self.before.get(name, 0.0) for name in after}
        self.used["generator"] = sum(load["cpu_s"] for load in loads)
        return self

    def note(self, number: int, of: str = "event") -> str:
        """CPU µs for each of `number`, what matters first."""
        rest = sum(v for k, v in self.used.items() if k in ("beat", "valkey", "supervisor", "other"))
        shown = {k: self.used.get(k, 0.0) for k in ("web", "worker", "postgres")} | {"rest of the hub": rest}
        shown |= {k: self.used[k] for k in ("receiver", "generator") if self.used.get(k)}
        each = [f"{name} {used / max(number, 1) * 1e6:.0f}" for name, used in shown.items()]
        return f"CPU µs a{'n' if of[0] in 'aeiou' else ''} {of}: {', '.join(each)}"


@dataclass(slots=True)
class Stage:
    """One run of one row. `short`: seconds instead of minutes."""

    hub: Hub
    receiver: Receiver
    secure: Receiver
    short: bool
    fresh_hub: Callable[..., Hub]
    players: list[Player] = field(default_factory=list)
    _labels: count[int] = field(default_factory=count)

    def begin(self) -> None:
        """New environments, so that nothing of an earlier run is matched or counted."""
        self.players = self.hub.cast(ENVIRONMENTS, f"{time.time_ns() % 10**9}-{next(self._labels)}")
        self.receiver.reset()
        self.secure.reset()

    def renew(self, **settings: str) -> None:
        """Go on with a hub of one's own, with these environment variables."""
        self.hub = self.fresh_hub(**settings)
        self.begin()

    def seconds(self, full: float, short: float) -> float:
        return short if self.short else full

    def size(self, full: int, short: int) -> int:
        return short if self.short else full

    # -- subscriptions -------------------------------------------------------------------------------------------

    def subscribe(
        self, players: Sequence[Player] | None = None, *, mode: str = "ok", each: int = 1, tls: bool = False,
        type: str = TYPE, **fields: Any,
    ) -> list[Subscription]:  # fmt: skip
        """`each` endpoints for each environment (all 8), all else as a newcomer leaves it."""
        receiver = self.secure if tls else self.receiver
        made = []
        for player in self.players if players is None else players:
            with self.hub.api(player) as api:
                for number in range(each):
                    path = f"/{mode}/{player.env}/{type}/{number}"
                    answer = api.post(
                        "/subscriptions", json={"url": receiver.url + path, "patterns": [type], **fields}
                    )
                    if answer.status_code != 201:
                        raise BenchFailed(
                            f"a subscription was refused: {answer.status_code} {answer.text[:300]}"
                        )
                    made.append((answer.json()["id"], player, path))
        numbers = dict(self.hub.sql(
            "select uid, id from subscriptions_subscription where uid = any(%s)", [uid for uid, _, _ in made]
        ))  # fmt: skip
        return [Subscription(numbers[uid], uid, player, path) for uid, player, path in made]

    def change(self, subscriptions: Sequence[Subscription], verb: str) -> None:
        """pause, resume or delete them."""
        for player in {s.player for s in subscriptions}:
            with self.hub.api(player) as api:
                for subscription in subscriptions:
                    if subscription.player == player:
                        url = f"/subscriptions/{subscription.uid}"
                        answer = api.delete(url) if verb == "delete" else api.post(f"{url}/{verb}")
                        if not answer.is_success:
                            raise BenchFailed(f"{verb} was refused: {answer.status_code} {answer.text[:300]}")

    # -- load ----------------------------------------------------------------------------------------------------

    def load(
        self, *, players: Sequence[Player] | None = None, sample: Callable[[], Any] | None = None, every_s: float = 1.0,
        **options: Any,
    ) -> dict[str, Any]:  # fmt: skip
        """Run the generator. `sample` is called from time to time meanwhile. Raises BenchFailed for an unanswered request."""
        keys = ",".join(player.key for player in (self.players if players is None else players))
        arguments: list[object] = ["--url", self.hub.url, "--keys", keys]
        for name, value in options.items():
            arguments += [f"--{name}"] if value is True else [f"--{name}", value]
        process = processes.start(processes.program("bench.generator", *arguments))
        try:
            while sample is not None and process.poll() is None:
                sample()
                time.sleep(every_s)
            told = processes.json_line(
                process, within_s=options.get("seconds", 10) + options.get("warmup", 0) + 60
            )
        finally:
            processes.stop(process)
        if told["unanswered"] or "lost" in told["statuses"]:
            raise BenchFailed(
                f"requests got no answer: {told['unanswered']} open, statuses {told['statuses']}"
            )
        return told

    def cpu_s(self) -> dict[str, float]:
        return self.hub.cpu_s() | {"receiver": self.receiver.cpu_s() + self.secure.cpu_s()}

    def meter(self) -> Meter:
        return Meter(self).begin()

    # -- the books -----------------------------------------------------------------------------------------------

    def waiting(self, subscriptions: Sequence[Subscription]) -> int:
        """Deliveries not done: unrouted events count once each."""
        ids = [s.id for s in subscriptions]
        return self.hub.number(UNROUTED) + (self.hub.number(WAITING, ids, ids) if ids else 0)

    def settle(self, subscriptions: Sequence[Subscription], *, within_s: float = 60) -> None:
        """Wait until nothing waits. Raises BenchFailed when something is stuck."""
        until(lambda: not self.waiting(subscriptions), within_s=within_s, what="the end of all deliveries")

    def prove(
        self,
        subscriptions: Sequence[Subscription],
        *loads: dict[str, Any],
        tls: bool = False,
        killed: bool = False,
    ) -> dict[str, Any]:
        """Everything acknowledged was delivered once and written down once. Returns the receiver's stats.

        `loads`: all that these subscriptions were ever sent. After a kill the receiver may have seen some twice.
        """
        self.settle(subscriptions)
        acknowledged = sum(load["accepted"] for load in loads)
        refused = sum(n for load in loads for status, n in load["statuses"].items() if status != "202")
        envs = sorted({s.player.env for s in subscriptions})
        stored = self.stored(envs)
        each = len(subscriptions) // len(envs)
        stats = (self.secure if tls else self.receiver).stats()
        paths = [stats["paths"].get(s.path, {"unique": 0, "duplicates": 0}) for s in subscriptions]
        received, doubled = sum(p["unique"] for p in paths), sum(p["duplicates"] for p in paths)
        attempts, delivered, different = self.hub.sql(BOOKS, [s.id for s in subscriptions])[0]
        wanted = stored * each
        if stored < acknowledged or (stored > acknowledged and not refused):
            raise BenchFailed(f"{acknowledged} events were acknowledged and {stored} are stored")
        if not attempts == delivered == different == received == wanted or (doubled and not killed):
            raise BenchFailed(
                f"{acknowledged} events acknowledged to {each} subscriptions each: {attempts} attempts ({different} different"
                f" deliveries, {delivered} succeeded), {received} received, {doubled} twice; {wanted} wanted of each"
            )
        return stats

    def attempts(self, subscriptions: Sequence[Subscription]) -> int:
        return self.hub.number(
            "select count(*) from attempt where sub = any(%s)", [s.id for s in subscriptions]
        )

    def stored(self, envs: Sequence[int], type: str = TYPE) -> int:
        return self.hub.number(
            "select count(*) from event where env = any(%s) and type = %s", list(envs), type
        )
