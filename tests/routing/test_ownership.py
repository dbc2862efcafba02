"""How shards are shared out."""

from __future__ import annotations

import asyncio

import pytest

from hub.eventlog.connect import open_session
from hub.routing import ownership

ALL = set(range(64))


@pytest.mark.parametrize(
    ("engines", "owned", "taken", "claims", "releases"),
    [
        (1, set(), set(), 64, []),
        (1, ALL, ALL, 0, []),
        (2, ALL, ALL, 0, list(range(1, 64, 2))),
        (2, set(), ALL, 32, []),
        (2, set(range(32)), set(range(32)), 0, []),
        (3, set(range(30)), set(range(40)), 0, [3, 7, 11, 15, 19, 23, 27, 29]),
        (0, set(), set(), 64, []),
    ],
)
def test_each_engine_holds_its_share_and_no_more(
    engines: int, owned: set[int], taken: set[int], claims: int, releases: list[int]
) -> None:
    plan = ownership.plan(engines=engines, owned=owned, taken=taken)
    assert sorted(plan.release) == releases
    assert plan.claim_most == claims
    assert not set(plan.claim) & taken


async def test_a_shard_has_one_owner_and_is_free_when_its_session_ends(log_database: str) -> None:
    first, second = await open_session(name="one"), await open_session(name="two")
    await first.execute(ownership.PRESENT, (ownership.ENGINE_LOCK, 1))
    assert await ownership.claim(first, [1, 2, 3]) == [1, 2, 3]
    assert await ownership.claim(second, [2, 3, 4]) == [4]
    assert await ownership.survey(second) == (1, {1, 2, 3, 4})
    await ownership.release(first, [1])
    assert await ownership.claim(second, [1]) == [1]
    await first.close()
    # The server lets go a moment after the client has gone.
    freed: set[int] = set()
    async with asyncio.timeout(5):
        while freed != {2, 3}:
            freed |= set(await ownership.claim(second, sorted({2, 3} - freed)))
            await asyncio.sleep(0.01)
    await second.close()
