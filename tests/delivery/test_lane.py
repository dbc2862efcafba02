"""One lane: what it takes, what it picks, and what it forgets."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from hub.core import ids
from hub.delivery.breaker import Phase
from hub.delivery.endpoint import Endpoint
from hub.delivery.items import Event, Item, Parcel
from hub.delivery.lane import MOST_ITEMS, NEVER, PROCESS_BYTES, Lane, Store

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def endpoint(**changes: object) -> Endpoint:
    values: dict[str, object] = {
        "id": 7, "uid": "sub_x", "env": 1, "consumer": None, "shard": 3, "url": "https://a.example/", "patterns": ["*"],
        "channels": [], "headers_sealed": None, "auth_kind": "none", "auth_sealed": None, "rate_limit": None,
        "rate_burst": None, "parallelism": 8, "timeout_s": 5, "ordering": "none", "max_age_s": 3600, "retry_schedule": None,
        "capture": "", "state": "active", "version": 1, "generation": 1, "deleted": False, "sealed": None, "expiries": None,
    }  # fmt: skip
    return Endpoint(**{**values, **changes})  # type: ignore[arg-type]


def event(seq: int, *, size: int = 10, subject: str | None = None) -> Event:
    data = b"x" * size if size <= 16_384 else None
    return Event(
        date(2026, 1, 2),
        3,
        seq,
        ids.uuid7(),
        1,
        None,
        0,
        0,
        size,
        NOW.timestamp(),
        None,
        "a.b",
        None,
        subject,
        None,
        None,
        data,
    )


def filled(count: int, **changes: object) -> Lane:
    lane = Lane(endpoint(**changes), Store())
    events = [event(seq) for seq in range(1, count + 1)]
    parcel = Parcel(7, 3, 1, count)
    parcel.taken = {e.seq for e in events}
    lane.push([Item(e, parcel) for e in events], parcel)
    return lane


def picked(lane: Lane) -> list[int]:
    found = []
    while lane.has_room() and (item := lane.pick()) is not None:
        found.append(item.event.seq)
    return found


def test_it_starts_with_four_slots_and_grows_by_success() -> None:
    lane = filled(20)
    assert picked(lane) == [1, 2, 3, 4]
    first = Item(event(1), None)
    lane.finished(first)
    lane.judge(first, ok=True, counts=False, now=0.0, random=0.5)
    assert picked(lane) == [5, 6]


def test_first_attempts_keep_slots_that_retries_cannot_take() -> None:
    lane = filled(10)
    lane.retries.extend(Item(event(seq), None, attempts=1, due=True) for seq in range(100, 110))
    assert sorted(picked(lane)) == [1, 2, 100, 101]


def test_replays_have_a_share_of_their_own() -> None:
    lane = filled(10)
    lane.replays.extend(Item(event(seq), None, run=9, due=True) for seq in range(200, 210))
    assert sorted(picked(lane)) == [1, 2, 3, 200]


def test_what_it_forgets_stays_in_its_rows_and_is_read_from_the_start() -> None:
    lane = filled(10)
    picked(lane)
    parcel = lane.live[3, 1]
    lane.drop_memory()
    assert lane.backlog
    assert lane.floors == {}
    assert parcel.taken == {1, 2, 3, 4}
    assert (lane.bytes, lane.store.used) == (0, 0)


def test_a_full_lane_takes_no_more() -> None:
    lane = filled(MOST_ITEMS)
    assert not lane.takes(1, 10)
    assert filled(1).takes(1, 10)


def test_all_lanes_share_one_budget_of_bytes() -> None:
    lane = filled(1)
    lane.store.used = PROCESS_BYTES
    assert not lane.takes(1, 10)


def test_a_large_event_weighs_little_until_it_is_sent() -> None:
    assert event(1, size=200_000).weight < 1000
    assert event(1, size=10_000).weight == 10_000


def test_behind_a_backlog_nothing_is_taken_so_that_order_holds() -> None:
    lane = filled(1)
    lane.leave()
    assert not lane.takes(1, 10)
    assert lane.wants_more()


def test_a_paused_subscription_sends_nothing() -> None:
    lane = filled(3)
    lane.reconfigure(endpoint(state="paused"))
    assert lane.gate(0.0) == NEVER
    assert not lane.takes(1, 10)


def test_five_failures_in_a_row_open_the_breaker_and_a_new_url_closes_it() -> None:
    lane = filled(5)
    for number in range(5):
        lane.judge(Item(event(number), None), ok=False, counts=True, now=1.0, random=0.5)
    assert lane.breaker.phase is Phase.open
    assert lane.gate(1.5) > 1.5
    assert [move.new for move in lane.transitions] == [Phase.open]
    lane.reconfigure(endpoint(url="https://b.example/"))
    assert lane.breaker.phase is Phase.closed
    assert lane.failing_since is None


def test_a_rate_limit_makes_it_wait() -> None:
    lane = filled(5, rate_limit=1.0)
    assert lane.gate(10.0) == 0.0
    assert lane.gate(10.0) == 11.0


@pytest.mark.parametrize(
    "change",
    [
        {"auth_kind": "bearer", "auth_sealed": b"new"},
        {"auth_sealed": b"renewed"},
        {"client_certificate_sealed": b"new"},
    ],
)
def test_other_credentials_close_the_breaker_and_end_the_wait_for_a_token(change: dict[str, object]) -> None:
    lane = filled(5, auth_kind="oauth2", auth_sealed=b"old")
    for number in range(5):
        lane.judge(Item(event(number), None), ok=False, counts=True, now=1.0, random=0.5)
    lane.hold_for_token(60.0)
    assert lane.gate(20.0) == 60.0
    lane.reconfigure(endpoint(**{"auth_kind": "oauth2", "auth_sealed": b"old", **change}))
    assert lane.breaker.phase is Phase.closed
    assert lane.gate(20.0) == 0.0


def test_other_credentials_do_not_end_a_hold_that_the_endpoint_asked_for() -> None:
    lane = filled(5, auth_kind="oauth2", auth_sealed=b"old")
    lane.hold_for_token(60.0)
    lane.bucket.hold_until(90.0)
    lane.reconfigure(endpoint(auth_kind="oauth2", auth_sealed=b"new"))
    assert lane.gate(20.0) == 90.0


def test_another_change_keeps_the_wait_for_a_token() -> None:
    lane = filled(5, auth_kind="oauth2", auth_sealed=b"old")
    lane.hold_for_token(60.0)
    lane.reconfigure(endpoint(auth_kind="oauth2", auth_sealed=b"old", rate_limit=5.0, timeout_s=9))
    assert lane.gate(20.0) == 60.0


def test_rows_that_are_written_while_others_are_read_are_not_forgotten() -> None:
    lane = Lane(endpoint(), Store())
    lane.next_due = 0.0
    lane.begin_loading()
    # Somebody writes a due row, too late for the read, and says so.
    lane.next_due = min(lane.next_due, 5.0)
    lane.loaded(NEVER)
    assert (lane.next_due, lane.due_loading) == (5.0, False)
    lane.begin_loading()
    lane.loaded(9.0)
    assert lane.next_due == 9.0
