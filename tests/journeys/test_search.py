"""Searching a running hub over HTTP for what really happened in it."""

from __future__ import annotations

from typing import Any

import pytest

from hub.ops.receiver import Behaviour
from tests.journeys.room import Room, wait_until
from tests.receiver import ReceiverThread

pytestmark = pytest.mark.journey


def searched(room: Room, path: str, text: str, *, limit: int = 2) -> list[dict[str, Any]]:
    """Rows of all pages."""
    found: list[dict[str, Any]] = []
    more: dict[str, Any] = {}
    for _ in range(100):
        answer = room.api.get(path, params={"search": text, "limit": limit, **more})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += page["data"]
        if not page["has_more"]:
            return found
        more = {"cursor": page["next_cursor"]}
    raise AssertionError("the pages have no end")


def test_deliveries_and_events_are_found_by_what_became_of_them(room: Room, receiver: ReceiverThread) -> None:
    good = room.subscribe(receiver.url("/ok"), "order.*", name="good")
    receiver.behave(Behaviour.failing(404), path="/gone")
    gone = room.subscribe(receiver.url("/gone"), "order.paid", name="gone", retry_schedule=[])
    posted = [
        room.post("order.paid" if n % 2 else "order.created", {"customer": {"id": n}, "note": f"parcel no {n}"}, subject=f"o-{n % 3}")
        for n in range(6)
    ]  # fmt: skip
    room.settled(good["id"], 6)
    room.settled(gone["id"], 3)

    def events_of(text: str) -> list[int]:
        return sorted(posted.index(row["event"]) for row in searched(room, "/deliveries", text))

    assert events_of("") == [0, 1, 1, 2, 3, 3, 4, 5, 5]
    assert events_of("status:dead") == events_of("sub:gone") == events_of("code:404 attempt:1") == [1, 3, 5]
    assert events_of("status:delivered subject:o-0") == [0, 3]
    assert events_of(f"sub:{good['id']} body.customer.id:>3") == [4, 5]
    assert events_of('"PARCEL NO 2"') == [2]
    assert events_of("header.webhook-id:msg_*") == [1, 3, 5]
    assert events_of(f"{posted[5]} -status:dead") == [5]
    assert events_of("latency:>20s") == events_of("status:open") == []
    assert [posted.index(row["id"]) for row in searched(room, "/events", "type:order.paid")] == [5, 3, 1]
    assert [posted.index(row["id"]) for row in searched(room, "/events", "body.customer.id:0,4")] == [4, 0]

    room.api.post(f"/deliveries/{searched(room, '/deliveries', 'status:dead')[0]['id']}/requeue")
    wait_until(lambda: len(searched(room, "/deliveries", "status:dead")) == 4, what="the end of the new run")
    refused = room.api.get("/deliveries", params={"search": "status:delivred"})
    assert (refused.status_code, refused.json()["errors"][0]["suggestion"]) == (400, "delivered")
