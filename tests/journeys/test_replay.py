"""Sending again: what died, what a new subscription missed; planned, counted, paused and cancelled, and never twice."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from hub.ops.receiver import Behaviour
from tests.journeys.room import Room, wait_until
from tests.receiver import ReceiverThread


def plan(room: Room, **asked: Any) -> dict[str, Any]:
    answer = room.api.post("/replays", json=asked)
    assert answer.status_code == 201, answer.text
    return answer.json()


def tell(room: Room, job: dict[str, Any], verb: str) -> dict[str, Any]:
    answer = room.api.post(f"/replays/{job['id']}/{verb}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def see(room: Room, job: dict[str, Any]) -> dict[str, Any]:
    return room.api.get(f"/replays/{job['id']}").json()


def ended(room: Room, job: dict[str, Any], state: str = "done", *, seconds: float = 15) -> dict[str, Any]:
    """The job once it is in this state and its figures have caught up."""

    def there() -> dict[str, Any] | None:
        found = see(room, job)
        return found if found["state"] == state and not found["progress"]["waiting"] else None

    return wait_until(there, seconds=seconds, what=f"a replay that is {state}")


def test_dead_letters_go_again_once_each_as_planned_under_the_same_ids(
    room: Room, receiver: ReceiverThread
) -> None:
    receiver.behave(Behaviour(status=413, first=12), path="/dead")
    dead = room.subscribe(receiver.url("/dead"), "order.*")["id"]
    good = room.subscribe(receiver.url("/good"), "order.*")["id"]
    for number in range(12):
        room.post("order.created", {"id": number})
    room.settled(dead, 12)
    room.settled(good, 12)
    before = room.rows("select count(*) from attempt where env = %s", room.env)
    planned = plan(room, search="status:dead", rate=1_000)
    assert (planned["state"], planned["plan"]["count"], planned["plan"]["complete"]) == ("planned", 12, True)
    assert planned["plan"]["subscriptions"] == {dead: 12}
    assert planned["plan"]["delivered"] == 0
    # A plan alone sends nothing.
    assert room.rows("select count(*) from attempt where env = %s", room.env) == before
    assert room.rows("select count(*) from replay_page where run = %s", planned["run"]) == [(0,)]
    tell(room, planned, "start")
    # What dies or comes meanwhile is not part of it.
    room.post("order.created", {"id": 99})
    done = ended(room, planned)
    assert {name: done["progress"][name] for name in ("issued", "delivered", "dead", "skipped")} == {
        "issued": 12, "delivered": 12, "dead": 0, "skipped": 0,
    }  # fmt: skip
    arrived = receiver.requests("/dead")
    runs = Counter(got.headers.get("trunkline-run") for got in arrived)
    assert runs == {None: 13, str(planned["run"]): 12}
    firsts = {got.webhook_id for got in arrived[:12]}
    assert {got.webhook_id for got in arrived if got.headers.get("trunkline-run")} == firsts
    # Nothing is left to replay: each has been delivered since.
    again = plan(room, search="status:dead", skip_delivered=True)
    assert (again["plan"]["count"], again["plan"]["skipped"]) == (0, 12)


def test_a_new_subscription_gets_what_it_missed_and_nothing_twice(
    room: Room, receiver: ReceiverThread
) -> None:
    for number in range(15):
        room.post("order.created" if number % 3 else "user.created", {"id": number})
    late = room.subscribe(receiver.url("/late"), "order.*")["id"]
    live = [room.post("order.created", {"id": 100 + number}) for number in range(3)]
    room.settled(late, 3)
    planned = plan(room, subscription=late, only_missing=True, search="since:1h", rate=5_000)
    assert (planned["plan"]["count"], planned["plan"]["complete"]) == (10, True)
    tell(room, planned, "start")
    more = [room.post("order.created", {"id": 200 + number}) for number in range(5)]
    ended(room, planned)
    receiver.wait_for(18, "/late")
    times = Counter(got.webhook_id for got in receiver.requests("/late"))
    assert len(times) == 10 + len(live) + len(more)
    assert set(times.values()) == {1}
    assert plan(room, subscription=late, only_missing=True, search="since:1h")["plan"]["count"] == 0


def test_one_event_goes_to_one_chosen_subscription_that_is_newer(
    room: Room, receiver: ReceiverThread
) -> None:
    event = room.post("order.created", {"id": 1})
    room.post("order.created", {"id": 2})
    chosen = room.subscribe(receiver.url("/chosen"), "order.*")["id"]
    room.subscribe(receiver.url("/other"), "order.*")
    job = plan(room, search=event, subscription=chosen)
    assert job["plan"]["count"] == 1
    tell(room, job, "start")
    ended(room, job)
    assert len(receiver.wait_for(1, "/chosen")) == 1
    assert receiver.requests("/other") == []


def test_a_cancelled_replay_stops_within_two_seconds_and_a_paused_one_goes_on_where_it_was(
    room: Room, receiver: ReceiverThread
) -> None:
    receiver.behave(Behaviour(status=413, first=60), path="/slow")
    slow = room.subscribe(receiver.url("/slow"), parallelism=1)["id"]
    for number in range(60):
        room.post("order.created", {"id": number})
    room.settled(slow, 60, seconds=20)
    receiver.behave(Behaviour(latency_s=0.05), path="/slow")
    job = plan(room, search="status:dead", rate=20)
    tell(room, job, "start")
    receiver.wait_for(70, "/slow")
    tell(room, job, "pause")
    wait_until(lambda: not see(room, job)["progress"]["waiting"], what="the end of what was made already")
    issued = see(room, job)["progress"]["issued"]
    assert 10 <= issued < 60
    tell(room, job, "resume")
    wait_until(lambda: see(room, job)["progress"]["issued"] > issued, what="going on")
    begun = time.monotonic()
    tell(room, job, "cancel")
    done = ended(room, job, "cancelled")
    assert time.monotonic() - begun < 4
    finished = room.rows(
        "select extract(epoch from finished_at - now())::float8 from replay_job where uid = %s", job["id"]
    )
    assert finished[0][0] > -4
    progress = done["progress"]
    assert progress["delivered"] + progress["cancelled"] == progress["issued"]
    count = len(receiver.requests("/slow"))
    assert count == 60 + progress["delivered"]
    assert room.api.post(f"/replays/{job['id']}/resume").status_code == 409


def test_what_can_not_be_replayed_is_told(room: Room) -> None:
    assert "Did you mean" in room.api.post("/replays", json={"search": "statsu:dead"}).text
    assert room.api.post("/replays", json={"only_missing": True}).status_code == 422
    assert room.api.post("/replays", json={"subscription": "sub_nobody"}).status_code == 404
    job = plan(room)
    assert job["plan"]["count"] == 0
    assert room.api.post(f"/replays/{job['id']}/pause").status_code == 409
    tell(room, job, "cancel")
    assert room.api.post(f"/replays/{job['id']}/start").status_code == 409
