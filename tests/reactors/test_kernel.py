"""The kernel against a real PostgreSQL: every fact is folded once, whoever dies, races or comes back."""

from __future__ import annotations

import random
from collections.abc import Mapping

import psycopg
import pytest

from hub.insights.reactors import Deliveries, Events
from hub.reactors import kernel as kernels
from hub.reactors.cursors import KEPT, Cursor
from hub.reactors.kernel import Kernel, share
from tests.reactors.facts import Held, attempts, cells, folding, routings

SHARD = 61


def deliveries(env: int) -> Deliveries:
    """With cursors of its own, in a database that tests share."""
    made = Deliveries()
    made.name = f"deliveries of {env}"
    return made


async def all_of(kernel: Kernel, session: psycopg.AsyncConnection, held: Held) -> int:
    """Fold until nothing is left; how many rounds it took."""
    rounds = 1
    while await kernel.fold(session, kernel.reactors[0], held):
        rounds += 1
    return rounds


async def totals(session: psycopg.AsyncConnection, env: int) -> list[tuple]:
    """(attempts and ends without one, by grain) of the environment."""
    cursor = await session.execute(
        """select grain, sum(attempts + cancelled)::int from insight_deliveries where env = %s and kind = 0
           group by grain order by grain""", (env,)
    )  # fmt: skip
    return await cursor.fetchall()


@pytest.mark.parametrize(
    ("cursors", "heads", "most", "ranges"),
    [
        ({1: 0}, {1: 0}, 10, {}),
        ({1: 3}, {1: 5}, 10, {1: (3, 5)}),
        ({1: 0}, {1: 50}, 10, {1: (0, 10)}),
        ({1: 0, 2: 7}, {1: 50, 2: 9}, 10, {1: (0, 8), 2: (7, 9)}),
        ({1: 0, 2: 0}, {1: 50, 2: 50}, 10, {1: (0, 5), 2: (0, 5)}),
        ({1: 9, 2: 0}, {1: 4, 2: 1}, 10, {2: (0, 1)}),
        ({1: 0}, {}, 10, {}),
    ],
)
def test_nobody_far_behind_takes_all_of_what_is_read(
    cursors: dict[int, int], heads: dict[int, int], most: int, ranges: Mapping[int, tuple[int, int]]
) -> None:
    known = {shard: Cursor(1, pos) for shard, pos in cursors.items()}
    assert share(known, heads, most=most) == ranges


def test_with_more_shards_behind_than_may_be_read_the_reading_is_still_bounded() -> None:
    ranges = share({s: Cursor(0, 0) for s in range(64)}, dict.fromkeys(range(64), 5), most=16)
    assert sum(upto - after for after, upto in ranges.values()) == 16


async def test_what_is_folded_bit_by_bit_by_many_is_what_one_folds_at_once(
    log_database: str, own_env: int
) -> None:
    dice = random.Random(5)
    session = await folding()
    head = await attempts(session, env=own_env, shard=SHARD, count=120, dice=dice)
    at_once = Kernel([deliveries(own_env)])
    await all_of(at_once, session, Held({SHARD}, {SHARD: head}))
    whole = await cells(session, own_env)
    assert await totals(session, own_env) == [(0, 120), (1, 120), (2, 120)]
    assert len(whole["insight_deliveries"]) > 20
    # Again from the beginning, by one process after another, each of which forgets all when it dies.
    await session.execute("delete from insight_deliveries where env = %s", (own_env,))
    await session.execute("delete from reactor_step where name = %s", (f"deliveries of {own_env}",))
    part = head - 120
    while part < head:
        part = min(part + dice.randrange(1, 30), head)
        dying = Kernel([deliveries(own_env)])
        dying.reactors[0].most = 7
        await all_of(dying, session, Held({SHARD}, {SHARD: part}))
    assert await cells(session, own_env) == whole
    await session.close()


async def test_of_two_who_own_the_same_shard_one_folds_and_the_other_starts_anew(
    log_database: str, own_env: int
) -> None:
    dice = random.Random(6)
    one, two = await folding(), await folding()
    head = await attempts(one, env=own_env, shard=SHARD, count=20, dice=dice)
    first, second = Kernel([deliveries(own_env)]), Kernel([deliveries(own_env)])
    await all_of(first, one, Held({SHARD}, {SHARD: head}))
    await all_of(second, two, Held({SHARD}, {SHARD: head}))
    head = await attempts(one, env=own_env, shard=SHARD, count=20, dice=dice)
    await all_of(first, one, Held({SHARD}, {SHARD: head}))
    with pytest.raises(psycopg.errors.UniqueViolation):
        await all_of(second, two, Held({SHARD}, {SHARD: head}))
    second._forget()
    head = await attempts(one, env=own_env, shard=SHARD, count=5, dice=dice)
    await all_of(second, two, Held({SHARD}, {SHARD: head}))
    assert await totals(one, own_env) == [(0, 45), (1, 45), (2, 45)]
    await one.close()
    await two.close()


async def test_a_fact_that_can_not_be_folded_is_noted_and_stops_nobody(
    log_database: str, own_env: int, caplog: pytest.LogCaptureFixture
) -> None:
    session = await folding()
    head = await attempts(session, env=own_env, shard=SHARD, count=6, dice=random.Random(7))
    await session.execute(
        """insert into attempt (day, shard, pos, env, sub, seq, run, src, event_id, n, at, version, http, reason, finish)
           select day, shard, %s, env, sub, seq, run, src, event_id, n, at, version, http, 999, 0 from attempt
           where shard = %s and pos = %s""", (head + 1, SHARD, head),
    )  # fmt: skip
    kernel = Kernel([deliveries(own_env)])
    await all_of(kernel, session, Held({SHARD}, {SHARD: head + 1}))
    assert (await totals(session, own_env))[0] == (0, 6)
    cursor = await session.execute(
        "select shard, pos, part, error from reactor_skipped where name = %s", (kernel.reactors[0].name,)
    )
    assert await cursor.fetchall() == [(SHARD, head + 1, 0, "ValueError: no reason has the number 999")]
    assert kernel.stats()[kernel.reactors[0].name]["skipped"] == 1
    await session.execute("delete from reactor_skipped where name = %s", (kernel.reactors[0].name,))
    # It is not met again.
    assert await all_of(Kernel([deliveries(own_env)]), session, Held({SHARD}, {SHARD: head + 1})) == 1
    await session.close()


async def test_a_shard_that_was_given_away_and_came_back_goes_on_from_where_the_other_stopped(
    log_database: str, own_env: int
) -> None:
    dice = random.Random(8)
    session = await folding()
    head = await attempts(session, env=own_env, shard=SHARD, count=10, dice=dice)
    mine, other = Kernel([deliveries(own_env)]), Kernel([deliveries(own_env)])
    held = Held({SHARD}, {SHARD: head})
    await all_of(mine, session, held)
    held.owned = set()
    await all_of(mine, session, held)
    head = await attempts(session, env=own_env, shard=SHARD, count=10, dice=dice)
    await all_of(other, session, Held({SHARD}, {SHARD: head}))
    head = await attempts(session, env=own_env, shard=SHARD, count=10, dice=dice)
    held.owned, held.attempts = {SHARD}, {SHARD: head}
    await all_of(mine, session, held)
    assert (await totals(session, own_env))[0] == (0, 30)
    await session.close()


async def test_old_steps_do_not_pile_up(log_database: str, own_env: int) -> None:
    session = await folding()
    reactor = deliveries(own_env)
    reactor.most = 1
    kernel = Kernel([reactor])
    head = await attempts(session, env=own_env, shard=SHARD, count=0, dice=random.Random(9))
    await session.execute(
        "insert into reactor_step (name, shard, step, prev, pos) values (%s, %s, 1, 0, %s)",
        (reactor.name, SHARD, head),
    )
    head = await attempts(session, env=own_env, shard=SHARD, count=3 * KEPT, dice=random.Random(9))
    await all_of(kernel, session, Held({SHARD}, {SHARD: head}))
    cursor = await session.execute(
        "select count(*)::int, max(step), max(pos) from reactor_step where name = %s", (reactor.name,)
    )
    count, step, pos = (await cursor.fetchall())[0]
    assert (step, pos) == (3 * KEPT + 1, head)
    assert count <= 2 * KEPT
    await session.close()


async def test_routed_events_are_counted_once_with_those_that_nobody_wanted(
    log_database: str, own_env: int
) -> None:
    session = await folding()
    reactor = Events()
    reactor.name, reactor.most = f"events of {own_env}", 3
    head = await routings(session, env=own_env, shard=SHARD, counts=(4, 0, 1, 9, 2), dice=random.Random(3))
    await all_of(Kernel([reactor]), session, Held({SHARD}, routed={SHARD: head}))
    cursor = await session.execute(
        """select (select sum(events)::int from insight_events where env = %(env)s and kind = 0 and grain = 0),
                  (select sum(unmatched)::int from insight_events where env = %(env)s and kind = 3 and grain = 2),
                  (select count(*)::int from event where env = %(env)s),
                  (select count(*)::int from event e join routed r on r.shard = e.shard and e.seq = any(r.unmatched)
                   where e.env = %(env)s)""", {"env": own_env},
    )  # fmt: skip
    events, unmatched, there, wanted = (await cursor.fetchall())[0]
    assert (events, unmatched) == (there, wanted) == (16, wanted)
    assert 0 < unmatched < 16
    await session.close()


async def test_a_kernel_left_alone_sees_cursors_that_were_put_back(log_database: str, own_env: int) -> None:
    session = await folding()
    now = [0.0]
    kernel = Kernel([deliveries(own_env)], clock=lambda: now[0])
    head = await attempts(session, env=own_env, shard=SHARD, count=10, dice=random.Random(1))
    held = Held({SHARD}, {SHARD: head})
    await all_of(kernel, session, held)
    before = await cells(session, own_env)
    await session.execute("delete from insight_deliveries where env = %s", (own_env,))
    await session.execute(
        """insert into reactor_step (name, shard, step, prev, pos)
           select name, shard, step + 1, pos, 0 from reactor_step where name = %s order by step desc limit 1""",
        (kernel.reactors[0].name,),
    )
    await all_of(kernel, session, held)
    assert (await cells(session, own_env))["insight_deliveries"] == []
    now[0] += kernels.LOOK_S + 0.1
    await all_of(kernel, session, held)
    assert await cells(session, own_env) == before
    await session.close()
