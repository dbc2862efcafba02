"""The store in PostgreSQL through psycopg: an id is committed with its work or not at all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from trunkline_consumer.psycopg import create_table, once, trim

from tests.clients.signing import delivery
from tests.journeys.room import wait_until

WAITING = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and pid = %s"


@pytest.fixture(scope="module", autouse=True)
def tables(database: str) -> None:
    with psycopg.connect(database) as connection:
        create_table(connection)
        connection.execute("create table effects (id text not null)")


@pytest.fixture
def connection(database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database, autocommit=True) as made:
        yield made
        made.execute("truncate effects, trunkline_handled")


def act(connection: psycopg.Connection, id: str) -> bool:
    with once(connection, delivery(id=id)) as first:
        if first:
            connection.execute("insert into effects (id) values (%s)", (id,))
        return first


def act_and_fail(connection: psycopg.Connection, id: str) -> None:
    with once(connection, delivery(id=id)) as first:
        assert first
        connection.execute("insert into effects (id) values (%s)", (id,))
        raise ZeroDivisionError


def effects(connection: psycopg.Connection) -> list[str]:
    return [id for (id,) in connection.execute("select id from effects order by id")]


def handled(connection: psycopg.Connection) -> list[str]:
    return [id for (id,) in connection.execute("select id from trunkline_handled order by id")]


def test_a_repeat_has_no_effect(connection: psycopg.Connection) -> None:
    assert [act(connection, id) for id in ("a", "b", "a", "a")] == [True, True, False, False]
    assert effects(connection) == handled(connection) == ["a", "b"]


def test_an_exception_undoes_the_work_and_the_id(connection: psycopg.Connection) -> None:
    with pytest.raises(ZeroDivisionError):
        act_and_fail(connection, "a")
    assert effects(connection) == handled(connection) == []
    assert act(connection, "a")


def test_a_transaction_of_the_callers_is_joined_and_left_to_him(
    database: str, connection: psycopg.Connection
) -> None:
    with psycopg.connect(database) as own:
        own.execute("insert into effects (id) values ('before')")
        assert act(own, "a")
        assert effects(connection) == handled(connection) == []
        own.rollback()
        assert act(own, "a")
        own.execute("insert into effects (id) values ('after')")
        own.commit()
    # With nothing begun before it, `once` had begun, and committed.
    assert effects(connection) == ["a", "after"]


def test_in_a_joined_transaction_an_exception_undoes_only_the_delivery(
    database: str, connection: psycopg.Connection
) -> None:
    with psycopg.connect(database) as own:
        own.execute("insert into effects (id) values ('before')")
        with pytest.raises(ZeroDivisionError):
            act_and_fail(own, "a")
        own.commit()
    assert (effects(connection), handled(connection)) == (["before"], [])


@pytest.mark.parametrize("fails", [False, True], ids=["commits", "fails"])
def test_a_repeat_at_the_same_time_waits_for_the_first(
    database: str, connection: psycopg.Connection, fails: bool
) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        with psycopg.connect(database, autocommit=True) as own, once(own, delivery(id="a")):
            own.execute("insert into effects (id) values ('a')")
            inside.set()
            assert go_on.wait(10)
            if fails:
                raise ZeroDivisionError

    with (
        ThreadPoolExecutor(2) as pool,
        psycopg.connect(database, autocommit=True) as own,
    ):
        first = pool.submit(slow)
        assert inside.wait(10)
        second = pool.submit(act, own, "a")
        wait_until(lambda: connection.execute(WAITING, (own.info.backend_pid,)).fetchone() == (1,))
        assert not second.done()
        go_on.set()
        assert (type(first.exception(10)), second.result(10)) == (
            (ZeroDivisionError, True) if fails else (type(None), False)
        )
    assert effects(connection) == handled(connection) == ["a"]


def test_of_many_at_once_one_is_first(database: str, connection: psycopg.Connection) -> None:
    together = threading.Barrier(8, timeout=10)

    def race(_: int) -> list[bool]:
        with psycopg.connect(database, autocommit=True) as own:
            together.wait()
            return [act(own, f"r{number:02}") for number in range(20)]

    with ThreadPoolExecutor(8) as pool:
        rounds = list(pool.map(race, range(8)))
    assert [sum(tries) for tries in zip(*rounds, strict=True)] == [1] * 20
    assert effects(connection) == [f"r{number:02}" for number in range(20)]


def test_in_pipeline_mode_the_first_is_known_as_well(connection: psycopg.Connection) -> None:
    with connection.pipeline():
        assert [act(connection, "a"), act(connection, "a")] == [True, False]
    assert effects(connection) == ["a"]


def test_old_ids_are_forgotten_and_others_kept(connection: psycopg.Connection) -> None:
    for id, days in (("old", 31), ("older", 60), ("young", 29)):
        assert act(connection, id)
        connection.execute(
            "update trunkline_handled set at = at - make_interval(days => %s) where id = %s", (days, id)
        )
    assert trim(connection) == 2
    assert handled(connection) == ["young"]
    assert trim(connection, days=29) == 1


def test_a_table_may_have_another_name_and_stand_in_a_schema(
    database: str, connection: psycopg.Connection
) -> None:
    (schema,) = connection.execute("select current_schema").fetchone()  # type: ignore[misc]
    table = f'{schema}.its "own" table'
    create_table(connection, table=table)
    create_table(connection, table=table)
    for expected in (True, False):
        with once(connection, delivery(id="a"), table=table) as first:
            assert first is expected
    assert handled(connection) == []
    assert trim(connection, days=0, table=table) == 1
