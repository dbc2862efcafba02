"""Positions through the API: made, read, acknowledged, moved; and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from hub.consumption.models import Lease, Mark, Position
from hub.core import ids
from tests.api.client import Api
from tests.api.shapes import conforms
from tests.cast import Cast
from tests.consumption.stage import expire
from tests.eventlog import rows

LEDGER = "/consumption/ledger"


def make(api: Api, **more: Any) -> dict[str, Any]:
    answer = api.post("/consumption", {"name": "ledger", **more})
    assert answer.status_code == 201, answer.content
    return answer.json()


def read(api: Api, path: str = LEDGER, **asked: Any) -> dict[str, Any]:
    return conforms(api.post(f"{path}/read", asked), "positions_read")


def seqs(batch: dict[str, Any]) -> list[int]:
    return [event["offset"] for event in batch["events"]]


def test_a_position_is_made_shown_changed_and_deleted(cast: Cast, alice: Api) -> None:
    answer = alice.post("/consumption", {"name": "ledger", "types": ["order.*"], "consumer": "acme"})
    made = conforms(answer, "positions_create")
    assert (answer.status_code, answer["Location"]) == (201, f"/api/v1{LEDGER}")
    assert made == {
        "id": made["id"], "name": "ledger", "consumer": cast.acme.public_id, "own": False, "types": ["order.*"],
        "channels": [], "version": 1, "created_at": made["created_at"], "updated_at": made["updated_at"],
    }  # fmt: skip
    shown = conforms(alice.get(LEDGER), "positions_get")
    assert {name: shown[name] for name in made} == made
    assert (shown["leases"], shown["backlog"]) == (
        [], {"events": 0, "exact": True, "oldest_at": None, "lag_s": None},
    )  # fmt: skip
    assert [row["shard"] for row in shown["shards"]] == [cast.acme.shard]
    changed = alice.patch(LEDGER, {"types": ["*"], "channels": ["eu"]}, if_match=answer["ETag"])
    body = conforms(changed, "positions_update")
    assert (body["types"], body["channels"], body["version"]) == (["*"], ["eu"], 2)
    assert alice.patch(LEDGER, {"types": ["a"]}, if_match=answer["ETag"]).status_code == 412
    assert [row["id"] for row in conforms(alice.get("/consumption"), "positions_list")["data"]] == [
        made["id"]
    ]
    assert alice.get(f"/consumption/{made['id']}").status_code == 200
    assert alice.delete(LEDGER, if_match=changed["ETag"]).status_code == 204
    assert alice.get(LEDGER).status_code == 404


def test_a_list_is_narrowed_to_a_consumer(cast: Cast, alice: Api) -> None:
    make(alice)
    make(alice, name="of-acme", consumer="acme")
    names = [row["name"] for row in alice.get("/consumption?consumer=acme").json()["data"]]
    assert names == ["of-acme"]
    assert alice.get("/consumption?consumer=nobody").status_code == 404


def test_a_read_gives_what_a_delivery_would_carry_digit_by_digit(cast: Cast, alice: Api) -> None:
    make(alice)
    raw = b'{"price":1.10,"big":123456789012345678901234567890,"far":1e999}'
    event = rows.event(
        cast.alice.live, data=raw, consumer=cast.acme, source="shop", subject="o-1", extensions='{"a":"b"}'
    )
    answer = alice.post(f"{LEDGER}/read", {})
    assert b'"data":' + raw + b"}" in answer.content
    (shown,) = answer.json()["events"]
    assert shown | {"data": 0} == {
        "shard": event.shard, "offset": event.seq, "consumer": cast.acme.public_id, "id": event.id,
        "type": "order.created", "timestamp": event.at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), "source": "shop",
        "subject": "o-1", "extensions": {"a": "b"}, "data": 0,
    }  # fmt: skip


def test_read_acknowledge_and_go_on(cast: Cast, alice: Api) -> None:
    make(alice)
    events = [rows.event(cast.alice.live) for _ in range(3)]
    shard = str(events[0].shard)
    first = read(alice, limit=2)
    assert (seqs(first), first["has_more"], first["skipped_to"]) == ([e.seq for e in events[:2]], True, {})
    shown = conforms(alice.get(LEDGER), "positions_get")
    assert [row["lease"] for row in shown["leases"]] == [first["lease"]]
    assert shown["backlog"]["events"] == 3
    part = alice.post(f"{LEDGER}/ack", {"lease": first["lease"], "upto": {shard: events[0].seq}})
    assert conforms(part, "positions_ack") == {"status": "partly", "offsets": {shard: events[0].seq}}
    whole = alice.post(f"{LEDGER}/ack", {"lease": first["lease"]})
    assert conforms(whole, "positions_ack") == {"status": "acked", "offsets": {shard: events[1].seq}}
    again = alice.post(f"{LEDGER}/ack", {"lease": first["lease"]})
    assert conforms(again, "positions_ack") == {"status": "already", "offsets": {}}
    second = read(alice)
    assert seqs(second) == [events[2].seq]
    extended = alice.post(f"{LEDGER}/extend", {"lease": second["lease"], "seconds": 600})
    assert conforms(extended, "positions_extend")["expires_at"] > second["expires_at"]
    released = alice.post(f"{LEDGER}/release", {"lease": second["lease"]})
    assert conforms(released, "positions_release") == {"status": "released"}
    assert seqs(read(alice)) == [events[2].seq]
    empty = read(alice)
    assert empty == {"lease": None, "expires_at": None, "events": [], "has_more": False, "skipped_to": {}}


def test_a_lease_that_is_over_is_409_and_says_what_to_do(cast: Cast, alice: Api) -> None:
    make(alice)
    rows.event(cast.alice.live)
    lease = read(alice)["lease"]
    expire()
    for path in ("ack", "extend"):
        answer = alice.post(f"{LEDGER}/{path}", {"lease": lease})
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
        assert "expired" in answer.json()["detail"]
    unknown = alice.post(f"{LEDGER}/ack", {"lease": ids.new_id("lse")})
    assert (unknown.status_code, "no such lease" in unknown.json()["detail"]) == (409, True)


def test_a_seek_takes_a_word_a_time_or_offsets(cast: Cast, alice: Api) -> None:
    make(alice)
    events = [rows.event(cast.alice.live) for _ in range(3)]
    shard = str(events[0].shard)
    for to, wanted in (
        ({shard: events[0].seq}, events[1:]),
        ("1h", events),
        (events[2].at.isoformat(), events[2:]),
        ("now", []),
        ("beginning", events),
    ):
        shown = conforms(alice.post(f"{LEDGER}/seek", {"to": to}), "positions_seek")
        assert shown["leases"] == []
        found = read(alice)
        assert seqs(found) == [event.seq for event in wanted], to
        if found["lease"]:
            assert alice.post(f"{LEDGER}/release", {"lease": found["lease"]}).status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("", {"name": "a/b"}, 422),
        ("", {"name": ".."}, 422),
        ("", {"name": "pos_1"}, 422),
        ("", {"name": "x" * 65}, 422),
        ("", {"types": ["*"]}, 422),
        ("", {"name": "a", "types": []}, 422),
        ("", {"name": "a", "types": "order.*"}, 422),
        ("", {"name": "a", "from": "yesterday"}, 422),
        ("", {"name": "a", "from": "2026-02-30T00:00:00Z"}, 422),
        ("", {"name": "a", "from": 5}, 422),
        ("", {"name": "a", "form": "now"}, 400),
        ("", {"name": "a", "consumer": "nobody"}, 404),
        ("", {"name": "ledger"}, 409),
        ("/ledger/seek", {}, 422),
        ("/ledger/seek", {"to": {}}, 422),
        ("/ledger/seek", {"to": []}, 422),
        ("/ledger/seek", {"to": None}, 422),
        ("/ledger/seek", {"to": {"64": 1}}, 422),
        ("/ledger/seek", {"to": {"01": 1}}, 422),
        ("/ledger/seek", {"to": {"1": -1}}, 422),
        ("/ledger/seek", {"to": {"1": "2"}}, 422),
        ("/ledger/seek", {"to": "soon"}, 422),
        ("/ledger/read", {"limit": 0}, 422),
        ("/ledger/read", {"limit": 1001}, 422),
        ("/ledger/read", {"limit": "5"}, 422),
        ("/ledger/read", {"wait": 31}, 422),
        ("/ledger/read", {"wait": -1}, 422),
        ("/ledger/read", {"lease": 4}, 422),
        ("/ledger/read", {"lease": 601}, 422),
        ("/ledger/read", {"max": 5}, 400),
        ("/ledger/ack", {}, 422),
        ("/ledger/ack", {"lease": "lse_1"}, 422),
        ("/ledger/ack", {"lease": None}, 422),
        ("/ledger/ack", {"lease": "lse_" + "z" * 26}, 422),
        ("/ledger/ack", {"lease": "lse_01m84msbyye80a9d67jvj1fm28", "upto": {}}, 422),
        ("/ledger/ack", {"lease": "lse_01m84msbyye80a9d67jvj1fm28", "upto": {"x": 1}}, 422),
        ("/ledger/extend", {"lease": "lse_01m84msbyye80a9d67jvj1fm28", "seconds": 1}, 422),
        ("/nothing/read", {}, 404),
        ("/nothing/ack", {"lease": "lse_01m84msbyye80a9d67jvj1fm28"}, 404),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    alice: Api, path: str, body: dict[str, Any], status: int
) -> None:
    make(alice)
    before = (list(Position.objects.values()), list(Mark.objects.values()), Lease.objects.count())
    answer = alice.post(f"/consumption{path}", body)
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json"), (
        answer.content
    )
    assert (list(Position.objects.values()), list(Mark.objects.values()), Lease.objects.count()) == before


def test_reading_needs_the_scope_to_consume_and_looking_does_not(alice: Api) -> None:
    make(alice)
    looks = Api(alice.post("/keys", {"scopes": ["events:read"]}).json()["key"])
    consumes = Api(alice.post("/keys", {"scopes": ["events:consume"]}).json()["key"])
    assert (looks.get(LEDGER).status_code, consumes.get(LEDGER).status_code) == (200, 403)
    lease = {"lease": ids.new_id("lse")}
    for method, path, body in (
        ("POST", "/consumption", {"name": "x"}), ("PATCH", LEDGER, {"types": ["a"]}), ("DELETE", LEDGER, None),
        ("POST", f"{LEDGER}/seek", {"to": "now"}), ("POST", f"{LEDGER}/read", {}), ("POST", f"{LEDGER}/ack", lease),
        ("POST", f"{LEDGER}/extend", lease), ("POST", f"{LEDGER}/release", lease),
    ):  # fmt: skip
        refused = looks(method, path, body)
        assert (refused.status_code, "events:consume" in refused.json()["detail"]) == (403, True)
    assert consumes.post(f"{LEDGER}/read", {}).status_code == 200


def test_a_consumers_key_has_names_of_its_own(cast: Cast, alice: Api, acme: Api) -> None:
    make(alice)
    own = make(acme, types=["order.*"])
    assert (own["own"], own["consumer"]) == (True, cast.acme.public_id)
    event = rows.event(cast.alice.live, consumer=cast.acme)
    assert [row["id"] for row in acme.get("/consumption").json()["data"]] == [own["id"]]
    assert seqs(read(acme)) == [event.seq]
    assert seqs(read(alice)) == [event.seq]
    # The environment looks after what its consumers left behind.
    assert alice.delete(f"/consumption/{own['id']}").status_code == 204


def test_an_etag_changes_with_what_is_shown_and_not_with_time(cast: Cast, alice: Api) -> None:
    make(alice)
    rows.event(cast.alice.live)
    tag = alice.get(LEDGER)["ETag"]
    assert alice.get(LEDGER, if_none_match=tag).status_code == 304
    rows.event(cast.alice.live)
    assert alice.get(LEDGER, if_none_match=tag).status_code == 200
    assert alice.patch(LEDGER, {"types": ["a"]}, if_match=tag).status_code == 200


def test_an_idempotency_key_makes_an_acknowledgement_once(cast: Cast, alice: Api) -> None:
    make(alice)
    rows.event(cast.alice.live)
    body = {"lease": read(alice)["lease"]}
    first, second = (alice.post(f"{LEDGER}/ack", body, idempotency_key="k") for _ in range(2))
    assert first.json() == second.json()
    assert second["Idempotent-Replayed"] == "true"


def test_a_read_takes_no_idempotency_key_and_never_repeats_an_answer(cast: Cast, alice: Api) -> None:
    make(alice)
    events = [rows.event(cast.alice.live) for _ in range(2)]
    found = [alice.post(f"{LEDGER}/read", {"limit": 1}, idempotency_key="k").json() for _ in range(2)]
    assert [seqs(one) for one in found] == [[events[0].seq], []]
