"""The store in Redis: exact where the work is Redis commands, a claim with a lease where it is not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import redis
from trunkline_consumer.redis import DAY_S, Busy, Once

from tests.clients.signing import delivery
from tests.journeys.room import wait_until

ONE = delivery(id="one")


@pytest.fixture
def once(client: redis.Redis, prefix: str) -> Once:
    return Once(client, prefix=prefix)


def _ttl(client: redis.Redis, key: str) -> int:
    return client.ttl(key)  # type: ignore[return-value]


def count(once: Once, counter: str) -> bool:
    """Whether this one counted."""
    with once.transaction(ONE) as commands:
        if commands is not None:
            commands.incr(counter)
        return commands is not None


def fail(once: Once, meanwhile: Callable[[], object] = lambda: None) -> None:
    with once(ONE):
        meanwhile()
        raise ZeroDivisionError


def test_a_claim_that_was_done_is_not_first_again(once: Once, client: redis.Redis, prefix: str) -> None:
    for expected in (True, False, False):
        with once(ONE) as first:
            assert first is expected
    assert 29 * DAY_S < _ttl(client, f"{prefix}one") <= 30 * DAY_S


def test_an_exception_gives_the_claim_back(once: Once, client: redis.Redis, prefix: str) -> None:
    with pytest.raises(ZeroDivisionError):
        fail(once)
    assert client.get(f"{prefix}one") is None
    with once(ONE) as first:
        assert first


def test_meanwhile_it_is_busy_for_everybody_else(once: Once, client: redis.Redis, prefix: str) -> None:
    with once(ONE):
        with pytest.raises(Busy), once(ONE):
            pytest.fail("two have it")
        with pytest.raises(Busy), once.transaction(ONE):
            pytest.fail("two have it")
        assert 0 < _ttl(client, f"{prefix}one") <= 60
    assert not count(once, f"{prefix}counter")


def test_one_who_died_is_followed_when_the_lease_is_over(client: redis.Redis, prefix: str) -> None:
    once = Once(client, prefix=prefix, lease_s=1)
    left = once(ONE)
    assert left.__enter__()

    def second() -> bool:
        try:
            with once(ONE) as first:
                return first
        except Busy:
            return False

    wait_until(second, seconds=5, what="the end of the lease")


def test_one_who_outlived_the_lease_takes_nothing_from_the_next(client: redis.Redis, prefix: str) -> None:
    once, key = Once(client, prefix=prefix), f"{prefix}one"
    with pytest.raises(ZeroDivisionError):
        fail(once, lambda: client.set(key, "the next one's claim"))
    assert client.get(key) == b"the next one's claim"
    client.delete(key)
    with once(ONE):
        client.set(key, "the next one's claim")
    with once(ONE) as first:
        assert not first


def test_a_transaction_counts_once(once: Once, client: redis.Redis, prefix: str) -> None:
    counter = f"{prefix}counter"
    assert [count(once, counter) for _ in range(3)] == [True, False, False]
    assert client.get(counter) == b"1"
    with once(ONE) as first:
        assert not first


def test_an_exception_leaves_neither_commands_nor_id(once: Once, client: redis.Redis, prefix: str) -> None:
    def queue_and_fail() -> None:
        with once.transaction(ONE) as commands:
            assert commands is not None
            commands.incr(f"{prefix}counter")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        queue_and_fail()
    assert list(client.scan_iter(match=prefix + "*")) == []


def test_of_two_transactions_at_once_one_takes_effect(once: Once, client: redis.Redis, prefix: str) -> None:
    counter = f"{prefix}counter"
    with once.transaction(ONE) as commands:
        assert commands is not None
        commands.incr(counter)
        assert count(once, counter)
    assert client.get(counter) == b"1"


def test_a_transaction_that_a_claim_overtook_is_busy(once: Once, client: redis.Redis, prefix: str) -> None:
    def be_overtaken() -> None:
        with once.transaction(ONE) as commands:
            assert commands is not None
            commands.incr(f"{prefix}counter")
            client.set(f"{prefix}one", "another one's claim")

    with pytest.raises(Busy):
        be_overtaken()
    assert client.get(f"{prefix}counter") is None


def test_a_connection_that_breaks_before_exec_leaves_nothing(
    once: Once, client: redis.Redis, prefix: str
) -> None:
    def lose_it() -> None:
        with once.transaction(ONE) as commands:
            assert commands is not None
            number = commands.immediate_execute_command("CLIENT", "ID")  # type: ignore[no-untyped-call]
            client.client_kill_filter(_id=number)
            commands.incr(f"{prefix}counter")

    with pytest.raises(Busy):
        lose_it()
    assert list(client.scan_iter(match=prefix + "*")) == []
    assert count(once, f"{prefix}counter")


def test_what_redis_refuses_fails_alone_as_it_is_told(once: Once, client: redis.Redis, prefix: str) -> None:
    def ask_the_impossible() -> None:
        with once.transaction(ONE) as commands:
            assert commands is not None
            commands.incr(f"{prefix}word")
            commands.incr(f"{prefix}counter")

    client.set(f"{prefix}word", "no number")
    with pytest.raises(redis.ResponseError):
        ask_the_impossible()
    assert client.get(f"{prefix}counter") == b"1"
    assert not count(once, f"{prefix}counter")


def _claimed(once: Once, client: redis.Redis, prefix: str) -> None:
    with once(ONE) as first:
        if first:
            client.incr(f"{prefix}counter")


def _in_transaction(once: Once, client: redis.Redis, prefix: str) -> None:
    count(once, f"{prefix}counter")


@pytest.mark.parametrize("handle", [_claimed, _in_transaction])
def test_of_many_at_once_one_acts(
    handle: Callable[[Once, redis.Redis, str], None], once: Once, client: redis.Redis, prefix: str
) -> None:
    together = threading.Barrier(8, timeout=10)

    def race(_: int) -> None:
        together.wait()
        with suppress(Busy):
            handle(once, client, prefix)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(race, range(8)))
    assert client.get(f"{prefix}counter") == b"1"


def test_a_client_that_decodes_will_do(client: redis.Redis, prefix: str) -> None:
    kwargs = client.connection_pool.connection_kwargs
    with redis.Redis(unix_socket_path=kwargs["path"], decode_responses=True) as decoding:
        once = Once(decoding, prefix=prefix)
        for expected in (True, False):
            with once(ONE) as first:
                assert first is expected
        assert once.trim() == 0
        decoding.set(f"{prefix}one", f"done {int(time.time()) - 60}")
        assert once.trim(days=0) == 1


def test_old_ids_are_forgotten_and_claims_and_others_kept(
    once: Once, client: redis.Redis, prefix: str
) -> None:
    now = int(time.time())
    for id, days in (("old", 31), ("older", 60), ("young", 29)):
        client.set(f"{prefix}{id}", f"done {now - days * DAY_S}")
    with once(ONE):
        assert once.trim() == 2
        assert once.trim(days=28) == 1
        assert client.exists(f"{prefix}one")
