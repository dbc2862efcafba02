"""Reading from a position against a real PostgreSQL: what comes, in which order, and how far the marks move."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from hub.consumption import services
from hub.consumption.models import Lease, Mark
from hub.consumption.services import reading
from hub.core.problems import ProblemError
from hub.tenants.scoping import Scope
from hub.tenants.services import consumers
from tests.cast import Cast
from tests.consumption.stage import bound, expire, given, read, seqs, take
from tests.eventlog.rows import event

NOW = datetime.now(UTC)


def make(scope: Scope, **more: object) -> None:
    services.create(scope=scope, name="ledger", **more)  # type: ignore[arg-type]


def mark(shard: int) -> Mark:
    return Mark.objects.get(shard=shard)


def test_events_come_once_each_and_in_the_order_of_their_shard(cast: Cast, scope: Scope) -> None:
    make(scope)
    live = cast.alice.live
    own = [event(live) for _ in range(5)]
    acmes = [event(live, consumer=cast.acme) for _ in range(3)]
    found: list[tuple[int, int | None]] = []
    for _ in range(3):
        batch = read(scope, limit=4)
        found += [(row.shard, row.seq) for row in batch.events]
        if batch.lease is not None:
            services.ack(scope=scope, ref="ledger", lease=batch.lease)
    assert sorted(found) == sorted((row.shard, row.seq) for row in [*own, *acmes])
    for shard in {shard for shard, _ in found}:
        one = [seq for at, seq in found if at == shard]
        assert one == sorted(one)


def test_what_is_leased_is_handed_out_once_and_after_expiry_again_in_the_same_order(
    cast: Cast, scope: Scope
) -> None:
    make(scope)
    events = [event(cast.alice.live) for _ in range(3)]
    first = read(scope)
    assert seqs(first) == given(*events)
    later = event(cast.alice.live)
    assert (read(scope).events, read(scope).more) == ([], False)
    expire()
    again = read(scope)
    assert seqs(again) == given(*events, later)
    assert again.lease != first.lease


def test_an_acknowledged_event_never_comes_again(cast: Cast, scope: Scope) -> None:
    make(scope)
    events = [event(cast.alice.live) for _ in range(5)]
    assert take(scope, limit=2) == given(*events[:2])
    assert take(scope, limit=2) == given(*events[2:4])
    assert take(scope, limit=2) == given(events[4])
    assert take(scope) == []
    assert mark(cast.alice.live.shard).upto == events[4].seq


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ({}, [0, 1, 2, 3]),
        ({"types": ["order.*"]}, [0, 2]),
        ({"types": ["order.made"]}, [0]),
        ({"types": ["order.paid", "user.*"]}, [1, 2, 3]),
        ({"types": ["*", "hub.*"]}, [0, 1, 2, 3, 4]),
        ({"channels": ["eu"]}, [1]),
        ({"channels": ["eu", "us"], "types": ["order.*"]}, [2]),
        ({"consumer": "acme"}, [2]),
        ({"consumer": "acme", "types": ["user.*"]}, []),
    ],
)
def test_only_what_was_asked_for_comes(
    cast: Cast, scope: Scope, asked: dict[str, object], wanted: list[int]
) -> None:
    live = cast.alice.live
    make(scope, **asked)
    events = [
        event(live, type="order.made"),
        event(live, type="user.made", channels=["eu"]),
        event(live, type="order.paid", consumer=cast.acme, channels=["us", "asia"]),
        event(live, type="user.made", consumer=cast.globex),
        event(live, type="hub.delivery.dead", origin=1),
    ]
    event(cast.charlie.live, shard=live.shard)
    event(cast.alice.test, shard=live.shard)
    assert sorted(take(scope)) == given(*(events[number] for number in wanted))


def test_a_consumers_key_reads_what_is_addressed_to_it_and_nothing_else(cast: Cast) -> None:
    scope = bound(cast)
    make(scope)
    event(cast.alice.live)
    event(cast.alice.live, consumer=cast.globex, shard=cast.acme.shard)
    own = event(cast.alice.live, consumer=cast.acme)
    assert take(scope) == [own.seq]


def test_whom_an_event_is_addressed_to_is_told(cast: Cast, scope: Scope) -> None:
    make(scope)
    event(cast.alice.live, consumer=cast.acme)
    event(cast.alice.live)
    assert {row.consumer for row in read(scope).events} == {cast.acme.public_id, None}


def test_a_shard_that_appears_later_loses_nothing(cast: Cast, scope: Scope) -> None:
    make(scope)
    take(scope)
    before = event(cast.alice.live)
    initech = consumers.create(scope=scope, uid="initech")
    first, second = (event(cast.alice.live, consumer=initech) for _ in range(2))
    assert sorted(take(scope)) == given(before, first, second)


def test_a_consumer_that_is_gone_leaves_its_events(cast: Cast, scope: Scope) -> None:
    make(scope)
    last = event(cast.alice.live, consumer=cast.globex)
    services.delete_consumer(scope=scope, ref="globex")
    assert take(scope) == [last.seq]


@pytest.mark.parametrize(
    ("start", "wanted"),
    [
        ("beginning", [0, 1, 2]),
        ("now", []),
        (NOW - timedelta(hours=3), [1, 2]),
        (NOW - timedelta(minutes=90), [2]),
        (NOW - timedelta(days=400), [0, 1, 2]),
        (NOW + timedelta(hours=1), []),
    ],
)
def test_a_position_begins_where_it_was_told_to(
    cast: Cast, scope: Scope, start: datetime | str, wanted: list[int]
) -> None:
    ages = (timedelta(hours=20), timedelta(hours=2), timedelta(hours=1))
    events = [event(cast.alice.live, at=NOW - age) for age in ages]
    make(scope, start=start)
    after = event(cast.alice.live)
    assert take(scope) == [*(events[number].seq for number in wanted), after.seq]


def test_time_is_exact_to_the_event(cast: Cast, scope: Scope) -> None:
    events = [event(cast.alice.live, at=NOW - timedelta(seconds=30 - n)) for n in range(10)]
    make(scope, start=events[4].at)
    assert take(scope) == given(*events[4:])


def test_a_clock_that_goes_back_after_a_time_was_named_hides_nothing(cast: Cast, scope: Scope) -> None:
    event(cast.alice.live, at=NOW - timedelta(hours=3))
    make(scope, start=NOW - timedelta(hours=1))
    late = event(cast.alice.live, at=NOW - timedelta(hours=2))
    assert take(scope) == [late.seq]


def test_a_long_stretch_that_nobody_asked_for_is_walked_once(
    cast: Cast, scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "WALKED", 1)
    monkeypatch.setattr(reading, "LEAST_WALKED", 10)
    monkeypatch.setattr(reading, "PATIENCE_S", -1.0)
    make(scope, types=["order.*"])
    noise = [event(cast.alice.live, type="user.made") for _ in range(25)]
    wanted = event(cast.alice.live, type="order.made")
    offsets, found = [], []
    for _ in range(3):
        batch = read(scope)
        found.append((seqs(batch), batch.more))
        offsets.append(mark(cast.alice.live.shard).upto)
    assert found == [([], True), ([], True), ([wanted.seq], False)]
    assert offsets == [noise[9].seq, noise[19].seq, wanted.seq - 1]


def test_a_read_goes_on_through_what_nobody_asked_for_while_there_is_time(
    cast: Cast, scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "WALKED", 1)
    monkeypatch.setattr(reading, "LEAST_WALKED", 10)
    make(scope, types=["order.*"])
    for _ in range(25):
        event(cast.alice.live, type="user.made")
    wanted = event(cast.alice.live, type="order.made")
    assert take(scope) == [wanted.seq]


def test_the_end_of_a_lease_lies_beyond_what_nobody_asked_for(cast: Cast, scope: Scope) -> None:
    make(scope, types=["order.*"])
    event(cast.alice.live, type="order.made")
    last = [event(cast.alice.live, type="user.made") for _ in range(3)][-1]
    take(scope)
    assert mark(cast.alice.live.shard).upto == last.seq


def test_an_answer_is_bounded_in_bytes_and_has_one_event_at_least(
    cast: Cast, scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LOG_BYTES", 100)
    make(scope)
    events = [event(cast.alice.live, data=b'"' + b"x" * size + b'"') for size in (500, 40, 40, 40)]
    assert [take(scope) for _ in range(3)] == [given(events[0]), given(*events[1:3]), given(events[3])]


def test_a_busy_shard_does_not_starve_another(cast: Cast, scope: Scope) -> None:
    make(scope)
    for _ in range(6):
        event(cast.alice.live)
    acmes = event(cast.alice.live, consumer=cast.acme)
    assert acmes.seq in [*take(scope, limit=2), *take(scope, limit=2)]


def test_a_position_in_days_that_are_gone_says_where_it_goes_on(cast: Cast, scope: Scope) -> None:
    make(scope)
    shard = cast.alice.live.shard
    lost = [event(cast.alice.live) for _ in range(3)]
    Mark.objects.filter(shard=shard).update(upto=lost[0].seq, day="2020-01-01")
    first = read(scope)
    assert (seqs(first), first.skipped) == (given(*lost[1:]), {shard: lost[1].seq})
    expire()
    again = read(scope)
    assert (seqs(again), again.skipped) == (given(*lost[1:]), {shard: lost[1].seq})
    assert again.lease is not None
    services.ack(scope=scope, ref="ledger", lease=again.lease)
    assert (read(scope).skipped, mark(shard).skipped_to) == ({}, lost[1].seq)


def test_from_the_beginning_means_what_is_kept_and_skips_nothing(cast: Cast, scope: Scope) -> None:
    made = event(cast.alice.live)
    make(scope, start="beginning")
    batch = read(scope)
    assert (seqs(batch)[-1], batch.skipped) == (made.seq, {})


def test_a_lease_of_a_clock_that_went_back_holds_nothing_for_ever(cast: Cast, scope: Scope) -> None:
    make(scope)
    made = event(cast.alice.live)
    read(scope)
    Mark.objects.filter(lease__isnull=False).update(lease_until=NOW + timedelta(hours=2))
    assert seqs(read(scope)) == [made.seq]


@pytest.mark.parametrize("asked", [{"limit": 0}, {"limit": 1001}, {"lease_s": 4}, {"lease_s": 601}])
def test_bounds_of_a_read_are_held(cast: Cast, scope: Scope, asked: dict[str, int]) -> None:
    make(scope)
    event(cast.alice.live)
    with pytest.raises(ProblemError) as refused:
        read(scope, **asked)
    assert refused.value.problem.code == "invalid"
    assert not Lease.objects.exists()


def test_a_read_is_planned_once_for_all_days(cast: Cast, scope: Scope) -> None:
    # Planning anew over every day of the log would cost more than the read.
    make(scope)
    for _ in range(7):
        event(cast.alice.live)
        take(scope)
    with connection.cursor() as cursor:
        cursor.execute(
            "select generic_plans, custom_plans from pg_prepared_statements where statement like '%with free as%'"
        )
        plans = cursor.fetchall()
    assert sum(generic for generic, _ in plans) >= 7
    assert all(custom == 0 for _, custom in plans)
