"""Readers at the same time, each with a session of its own: nothing twice within leases, nothing lost, order kept."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
from django.db import connection, transaction

from hub.consumption import services
from hub.consumption.models import Mark, Position
from hub.consumption.statements import FREE
from hub.core.problems import ProblemError
from tests.consumption.stage import Stage, read, seqs, take

READERS = 4
Got = list[tuple[int, int]]
WAITERS = """
select count(*) from pg_locks l join pg_stat_activity a using (pid)
where not l.granted and a.datname = current_database()"""


def together(work: Callable[[int], Any], count: int = READERS) -> list[Any]:
    """Each in a thread with a database session of its own, begun at the same moment."""
    gate = threading.Barrier(count, timeout=10)

    def one(number: int) -> Any:
        try:
            gate.wait()
            return work(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return [done.result(60) for done in [pool.submit(one, number) for number in range(count)]]


def another(**more: Any) -> psycopg.Connection:
    entry = connection.settings_dict
    return psycopg.connect(
        dbname=entry["NAME"], user=entry["USER"], host=entry["HOST"], port=entry["PORT"], **more
    )


def drain(stage: Stage, wanted: int, *, careless: bool = False) -> list[Got]:
    """What each reader acknowledged, in its order. A careless one gives back some leases, or acknowledges a part."""
    left, lock = [wanted], threading.Lock()

    def reader(number: int) -> Got:
        rng, got, until = random.Random(number), Got(), time.monotonic() + 40
        while left[0] > 0 and time.monotonic() < until:
            batch = read(stage.scope, limit=rng.randrange(1, 40))
            if batch.lease is None:
                continue
            lease = {"scope": stage.scope, "ref": "ledger", "lease": batch.lease}
            chance = rng.random() if careless else 1.0
            if chance < 0.2:
                services.release(**lease)
                continue
            found = [(row.shard, row.seq or 0) for row in batch.events]
            if chance < 0.5:
                found = found[: len(found) // 2 + 1]
                services.ack(**lease, upto=dict(found))
                services.release(**lease)
            else:
                services.ack(**lease)
            got += found
            with lock:
                left[0] -= len(found)
        return got

    return together(reader)


def check(got: list[Got], events: Got) -> None:
    assert Counter(one for reader in got for one in reader) == Counter(events)
    for reader in got:
        for shard in {shard for shard, _ in reader}:
            own = [seq for at, seq in reader if at == shard]
            assert own == sorted(own)


def test_readers_of_one_name_share_everything_and_nothing_comes_twice(stage: Stage) -> None:
    events = [stage.event(number) for number in range(400)]
    check(drain(stage, len(events)), [(event.shard, event.seq) for event in events])
    assert read(stage.scope).events == []


def test_what_careless_readers_leave_is_read_by_others(stage: Stage) -> None:
    events = [stage.event(number) for number in range(300)]
    check(drain(stage, len(events), careless=True), [(event.shard, event.seq) for event in events])


def test_events_that_come_meanwhile_are_neither_skipped_nor_doubled(stage: Stage) -> None:
    total, written = 240, Got()

    def write() -> None:
        try:
            for number in range(total):
                event = stage.event(number, "order.made" if number % 4 else "user.made")
                if number % 4:
                    written.append((event.shard, event.seq))
        finally:
            connection.close()

    writer = threading.Thread(target=write)
    writer.start()
    got = drain(stage, total - total // 4)
    writer.join(30)
    check(got, written)


def test_at_one_moment_each_shard_goes_to_one_reader(stage: Stage) -> None:
    for number in range(30):
        stage.event(number)
    for _ in range(10):
        batches = together(lambda _: read(stage.scope, limit=5))
        taken = Counter(shard for batch in batches for shard in {row.shard for row in batch.events})
        assert taken
        assert set(taken.values()) == {1}
        for batch in batches:
            if batch.lease is not None:
                services.release(scope=stage.scope, ref="ledger", lease=batch.lease)


def test_one_of_two_acknowledgements_at_once_moves_and_the_other_says_already(stage: Stage) -> None:
    for number in range(10):
        made = stage.event(number)
        lease = read(stage.scope).lease
        assert lease is not None
        done = together(lambda _, lease=lease: services.ack(scope=stage.scope, ref="ledger", lease=lease), 2)
        assert sorted(one.status for one in done) == ["acked", "already"]
        assert [one.offsets for one in done if one.offsets] == [{made.shard: made.seq}]


def test_an_acknowledgement_that_comes_as_its_shard_is_leased_anew_moves_nothing(stage: Stage) -> None:
    """The lease was good when it was judged; then its time ran out, and another reader was faster."""
    first, _ = stage.event(0), stage.event(0)
    batch = read(stage.scope, limit=1)
    assert seqs(batch) == [first.seq]
    outcome: list[str] = []

    def ack() -> None:
        assert batch.lease is not None
        try:
            services.ack(scope=stage.scope, ref="ledger", lease=batch.lease)
            outcome.append("acked")
        except ProblemError as error:
            outcome.append(error.problem.code)
        finally:
            connection.close()

    with another() as other, another(autocommit=True) as watch:
        # What another reader's statement does to the row, still uncommitted.
        other.execute(
            "update consumption_mark set lease = gen_random_uuid(), lease_until = clock_timestamp() + interval '30 s'"
            " where position_id = %s and lease is not null",
            (stage.position.id,),
        )
        thread = threading.Thread(target=ack)
        thread.start()
        until = time.monotonic() + 10
        while not watch.execute(WAITERS).fetchone()[0] and time.monotonic() < until:  # type: ignore[index]
            time.sleep(0.01)
        other.commit()
        thread.join(10)
    assert outcome == ["conflict"]
    assert Mark.objects.get(position=stage.position, shard=50).upto == first.seq - 1


def test_a_reader_that_dies_in_the_middle_leaves_its_shards_free(stage: Stage) -> None:
    before = stage.event(0)
    assert take(stage.scope) == [before.seq]
    made = stage.event(0)
    dying = another()
    try:
        dying.execute(
            f"select from consumption_mark m where m.position_id = %s and {FREE} for update",
            (stage.position.id,),
        )
        assert read(stage.scope).events == []
        with another(autocommit=True) as killer:
            killer.execute("select pg_terminate_backend(%s, 5000)", (dying.info.backend_pid,))
    finally:
        dying.close()
    assert seqs(read(stage.scope)) == [made.seq]


def test_a_position_that_is_deleted_while_it_is_read_is_gone_and_nothing_breaks(stage: Stage) -> None:
    for number in range(9):
        stage.event(number)
    outcomes: list[str] = []

    def act(number: int) -> None:
        if number == 0:
            # As the service does, without its entry in the audit, which could not go again.
            with transaction.atomic():
                Position.objects.select_for_update().get(id=stage.position.id).delete()
            return
        until = time.monotonic() + 10
        while time.monotonic() < until:
            try:
                read(stage.scope, limit=1)
            except ProblemError as error:
                outcomes.append(error.problem.code)
                return

    together(act)
    assert outcomes == ["not-found"] * (READERS - 1)
    assert not Mark.objects.filter(position_id=stage.position.id).exists()
