"""Rebuilding gives the rows that were there, also when whoever folds dies in the middle; what can't be folded again stays."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from django.db import connection

from hub.insights.reactors import Deliveries
from hub.reactors import rebuilding
from hub.reactors.kernel import Kernel
from tests.reactors.facts import Held, attempts, cells, folding

SHARD = 62


@pytest.fixture(autouse=True)
def _committing(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """A reset commits for itself; these tests have an environment and cursors of their own in the database."""
    with django_db_blocker.unblock():
        yield
        connection.close()


def own(env: int) -> Deliveries:
    made = Deliveries()
    made.name, made.most = f"rebuilt {env}", 9
    # Other tests' rows in this shard are not ours to drop.
    made.clear = f"delete from insight_deliveries where shard = %(shard)s and env = {env} and at >= %(since)s"
    return made


def lived(env: int, *, count: int, seed: int) -> tuple[int, dict[str, list[tuple[Any, ...]]]]:
    """Attempts that happened and were folded: the last one's position, and the cells."""

    async def live() -> tuple[int, dict[str, list[tuple[Any, ...]]]]:
        async with await folding() as session:
            head = await attempts(session, env=env, shard=SHARD, count=count, dice=random.Random(seed))
            await _fold(env, session, head)
            return head, await cells(session, env)

    return asyncio.run(live())


def fold(env: int, head: int, rounds: int = 1_000) -> dict[str, list[tuple[Any, ...]]]:
    """A process that folds so many rounds; the cells after it."""

    async def work() -> dict[str, list[tuple[Any, ...]]]:
        async with await folding() as session:
            await _fold(env, session, head, rounds)
            return await cells(session, env)

    return asyncio.run(work())


async def _fold(env: int, session: Any, head: int, rounds: int = 1_000) -> None:
    kernel = Kernel([own(env)])
    for _ in range(rounds):
        if not await kernel.fold(session, kernel.reactors[0], Held({SHARD}, {SHARD: head})):
            break


def reset(env: int) -> list[tuple[int, int]]:
    return [(done.shard, done.folded) for done in rebuilding.reset(own(env), shards=[SHARD])]


def test_a_rebuild_gives_the_same_rows_also_after_a_death_in_the_middle(own_env: int) -> None:
    head, whole = lived(own_env, count=90, seed=2)
    assert len(whole["insight_deliveries"]) > 20
    assert reset(own_env) == [(SHARD, head)]
    assert fold(own_env, head, rounds=0)["insight_deliveries"] == []
    target = {(own(own_env).name, SHARD): head}
    assert fold(own_env, head, rounds=3) != whole
    left = rebuilding.behind(target)
    assert 0 < left < head
    assert fold(own_env, head) == whole
    assert rebuilding.behind(target) == 0


def test_a_second_reset_before_the_first_was_folded_changes_nothing(own_env: int) -> None:
    head, whole = lived(own_env, count=10, seed=3)
    reset(own_env)
    assert reset(own_env) == []
    assert fold(own_env, head) == whole


def test_what_stands_for_days_that_are_gone_is_kept(own_env: int) -> None:
    lived(own_env, count=12, seed=4)
    with connection.cursor() as cursor:
        cursor.execute(
            """insert into insight_deliveries select env, kind, ref, grain, timestamptz '2020-02-02', shard, attempts, failures, retries,
               delivered, dead, cancelled, expired, other_ends, bytes_sent, bytes_received, latency_us, lag_us, oldest_us, slowest_us,
               reasons, latency, lag from insight_deliveries where env = %s and kind = 0 and grain = 2""", [own_env],
        )  # fmt: skip
    reset(own_env)
    left = fold(own_env, 0)["insight_deliveries"]
    assert [row[3].date() for row in left] == [date(2020, 2, 2)]


def test_a_shard_that_was_never_folded_is_left_alone(own_env: int) -> None:
    assert reset(own_env) == []
