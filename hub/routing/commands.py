"""Commands: how everyone but the owner asks for a change of a delivery. The owner applies each with its effect in one transaction.

A command is never applied twice, and its result is a sentence that whoever asked can read.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

from hub.eventlog import arrays

AT_ONCE = 200


class Session(Protocol):
    async def execute(
        self, query: Any, params: Any = None, *, prepare: bool | None = None, binary: bool = False
    ) -> Any: ...


OPEN = """
select id, shard, sub, kind, seq, src, day, run, env from command
where shard = any(%(shards)b::int2[]) and applied_at is null order by id limit %(limit)b"""

STATE = """
select u.id, (select a.finish from attempt a where a.sub = u.sub and a.seq = u.seq and a.run = u.run and a.day = u.day
                and a.finish <> 0 limit 1),
       d.seq is not null, coalesce(d.held, false),
       (select coalesce(max(a.n), 0) from attempt a where a.sub = u.sub and a.seq = u.seq and a.run = u.run and a.day = u.day),
       d.subject, (select e.id from event e where e.shard = u.src and e.day = u.day and e.seq = u.seq)
from unnest(%(id)b::int8[], %(sub)b::int4[], %(seq)b::int8[], %(run)b::int4[], %(day)b::date[], %(src)b::int2[])
  u(id, sub, seq, run, day, src)
left join due d on d.sub = u.sub and d.seq = u.seq and d.run = u.run"""

RETRY = """
update due set planned = case when manual then planned else due_at end, due_at = clock_timestamp(), manual = true
from unnest(%(sub)b::int4[], %(seq)b::int8[], %(run)b::int4[]) u(sub, seq, run)
where due.sub = u.sub and due.seq = u.seq and due.run = u.run and not due.held"""

CANCEL = """
with x as (delete from due d using unnest(%(sub)b::int4[], %(seq)b::int8[], %(run)b::int4[]) u(sub, seq, run)
           where d.sub = u.sub and d.seq = u.seq and d.run = u.run)
insert into attempt (day, shard, pos, env, sub, seq, run, src, event_id, n, at, version, http, reason, finish)
select d, sh, p, e, su, s, r, sr, i, n, clock_timestamp(), 0, 0, %(reason)b, %(finish)b
from unnest(%(day)b::date[], %(shard)b::int2[], %(pos)b::int8[], %(env)b::int4[], %(sub)b::int4[], %(seq)b::int8[],
            %(run)b::int4[], %(src)b::int2[], %(event)b::uuid[], %(n)b::int2[]) u(d, sh, p, e, su, s, r, sr, i, n)"""

REQUEUE = """
insert into due (shard, sub, seq, run, src, day, due_at, attempt, via)
select sh, su, s, r, sr, d, clock_timestamp(), 0, 2
from unnest(%(shard)b::int2[], %(sub)b::int4[], %(seq)b::int8[], %(run)b::int4[], %(src)b::int2[], %(day)b::date[])
  u(sh, su, s, r, sr, d)
on conflict on constraint due_once do nothing"""

APPLIED = """
update command c set applied_at = clock_timestamp(), result = u.result
from unnest(%(id)b::int8[], %(result)b::text[]) u(id, result) where c.id = u.id"""

SUBMIT = """
insert into command (env, shard, sub, kind, seq, src, day, run, actor)
values (%(env)s, %(shard)s, %(sub)s, %(kind)s, %(seq)s, %(src)s, %(day)s, %(run)s, %(actor)s) returning id"""


@dataclass(frozen=True, slots=True)
class Command:
    id: int
    shard: int
    sub: int
    kind: str
    seq: int
    src: int
    day: date
    run: int
    env: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What the tables say of a command's delivery."""

    finish: int | None
    due: bool
    held: bool
    attempts: int
    subject: int | None
    event_id: bytes | None


def verdict(
    command: Command, standing: Standing, *, in_flight: bool, breaker_open: bool, exists: bool
) -> tuple[bool, str]:
    """Does it take effect, and the sentence to tell. Pure."""
    if not exists:
        return False, "refused: the subscription is gone"
    if standing.event_id is None:
        return False, "refused: the event is no longer kept"
    if command.kind == "requeue":
        if standing.finish is None:
            return False, "refused: the delivery has not ended yet; retry it instead"
        return True, f"queued as run {command.id}"
    if standing.finish is not None:
        return False, "refused: the delivery has ended; requeue it for a new run"
    if in_flight:
        return False, "refused: an attempt is under way"
    if command.kind == "cancel":
        return True, "cancelled"
    if standing.held:
        return False, "refused: it waits for an earlier delivery of its subject; retry or cancel that one"
    if not standing.due:
        return False, "nothing to do: its first attempt is queued"
    if breaker_open:
        return True, "queued: the circuit breaker is open, so it goes out as soon as a probe succeeds"
    return True, "queued"


async def waiting(session: Session, *, shards: list[int]) -> list[Command]:
    """Commands for these shards that nobody has applied, oldest first."""
    cursor = await session.execute(
        OPEN, {"shards": arrays.int2(shards), "limit": AT_ONCE}, prepare=True, binary=True
    )
    return [Command(*row) for row in await cursor.fetchall()]


async def standings(session: Session, *, commands: list[Command]) -> dict[int, Standing]:
    """By command id."""
    cursor = await session.execute(
        STATE, {"id": arrays.int8([c.id for c in commands]), **_keys(commands)}, prepare=True, binary=True
    )
    found = {}
    for id, finish, due, held, attempts, subject, event_id in await cursor.fetchall():
        found[id] = Standing(
            finish, due, held, attempts, subject, None if event_id is None else event_id.bytes
        )
    return found


def _keys(commands: list[Command]) -> dict[str, Any]:
    return {
        "sub": arrays.int4([c.sub for c in commands]),
        "seq": arrays.int8([c.seq for c in commands]),
        "run": arrays.int4([c.run for c in commands]),
        "day": arrays.dates([c.day for c in commands]),
        "src": arrays.int2([c.src for c in commands]),
    }


async def write(
    session: Session, *, effective: list[Command], standings: dict[int, Standing], results: dict[int, str],
    positions: list[int], reason: int, finish: int,
) -> None:  # fmt: skip
    """The effects and that the commands are applied, inside the caller's transaction. `positions`: one for each cancel."""
    retries = [c for c in effective if c.kind == "retry"]
    cancels = [c for c in effective if c.kind == "cancel"]
    requeues = [c for c in effective if c.kind == "requeue"]
    if retries:
        keys = _keys(retries)
        await session.execute(
            RETRY, {name: keys[name] for name in ("sub", "seq", "run")}, prepare=True, binary=True
        )
    if cancels:
        await session.execute(
            CANCEL,
            {
                **_keys(cancels),
                "shard": arrays.int2([c.shard for c in cancels]),
                "env": arrays.int4([c.env for c in cancels]),
                "pos": arrays.int8(positions),
                "event": arrays.uuid([standings[c.id].event_id or b"\0" * 16 for c in cancels]),
                "n": arrays.int2([standings[c.id].attempts for c in cancels]),
                "reason": reason,
                "finish": finish,
            },
            prepare=True,
            binary=True,
        )
    if requeues:
        keys = _keys(requeues) | {
            "shard": arrays.int2([c.shard for c in requeues]),
            "run": arrays.int4([c.id for c in requeues]),
        }
        await session.execute(REQUEUE, keys, prepare=True, binary=True)
    await session.execute(
        APPLIED,
        {"id": arrays.int8(list(results)), "result": arrays.text(list(results.values()))},
        prepare=True,
        binary=True,
    )
