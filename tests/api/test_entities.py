"""Projections, and what the log tells of a subject by them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from hub.eventlog.selectors import fetch
from hub.insights import backfill
from hub.insights.models import Projection
from hub.tenants.models import AuditEntry
from tests.api.client import Api
from tests.cast import Cast
from tests.eventlog import rows
from tests.eventlog.rows import Row


def event(
    cast: Cast, type: str, data: Any, *, subject: str | None = "order-1", ago_s: int = 0, **more: Any
) -> Row:
    return rows.event(
        cast.alice.live,
        type=type,
        subject=subject,
        at=datetime.now(UTC) - timedelta(seconds=ago_s),
        data=orjson.dumps(data),
        **more,
    )


def declare(api: Api, pattern: str, semantics: str = "snapshot", **more: Any) -> dict[str, Any]:
    answer = api.post("/projections", {"pattern": pattern, "semantics": semantics, **more})
    assert answer.status_code == 201, answer.content
    return answer.json()


@pytest.fixture
def order(cast: Cast, alice: Api) -> list[Row]:
    """An order that is made, changed twice, and noted; and another's events under the same name."""
    declare(alice, "order.*", "merge-patch")
    declare(alice, "order.created")
    event(cast, "order.created", {"id": 7}, consumer=cast.acme)
    return [
        event(cast, "order.created", {"id": 1, "lines": {"a": 1}}, ago_s=400),
        event(cast, "order.changed", {"lines": {"b": 2}}, ago_s=300),
        event(cast, "note.made", {"text": "hi"}, ago_s=200),
        event(cast, "order.changed", {"lines": {"a": None}, "paid": True}, ago_s=100),
    ]


def test_the_state_now_and_then(alice: Api, order: list[Row]) -> None:
    now = alice.get("/entities/state?subject=order-1").json()
    assert now["state"]["value"] == {"id": 1, "lines": {"b": 2}, "paid": True}
    assert (now["state"]["event"], now["state"]["seq"]) == (order[3].id, order[3].seq)
    assert [(row["type"], row["id"]) for row in now["latest"]] == [
        ("order.changed", order[3].id), ("note.made", order[2].id), ("order.created", order[0].id),
    ]  # fmt: skip
    for ago, value in ((350, {"id": 1, "lines": {"a": 1}}), (150, {"id": 1, "lines": {"a": 1, "b": 2}})):
        assert alice.get(f"/entities/state?subject=order-1&at={ago}s").json()["state"]["value"] == value
    before = alice.get("/entities/state?subject=order-1&at=10m").json()["state"]
    assert before == {"exists": False, "value": None, "seq": -1, "at": None, "event": None}


def test_nobody_knows_of_a_subject_without_events(alice: Api, order: list[Row]) -> None:
    found = alice.get("/entities/state?subject=order-2").json()
    assert (found["state"]["exists"], found["latest"]) == (False, [])


def test_a_consumers_subjects_are_its_own(alice: Api, acme: Api, order: list[Row]) -> None:
    assert alice.get("/entities/state?subject=order-1&consumer=acme").json()["state"]["value"] == {"id": 7}
    assert acme.get("/entities/state?subject=order-1").json()["state"]["value"] == {"id": 7}
    assert acme.get("/entities/timeline?subject=order-1").json()["data"][0]["state"]["value"] == {"id": 7}
    assert acme.get("/entities/state?subject=order-1&consumer=globex").status_code == 404


@pytest.mark.parametrize("limit", [1, 2, 50])
def test_the_timeline_tells_what_each_event_changed_in_pages_of_any_size(
    alice: Api, order: list[Row], limit: int
) -> None:
    found, cursor = [], ""
    while True:
        page = alice.get(f"/entities/timeline?subject=order-1&limit={limit}{cursor}").json()
        found += page["data"]
        if not page["has_more"]:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert [(row["type"], row["event"]) for row in found] == [
        ("order.changed", order[3].id), ("order.changed", order[1].id), ("order.created", order[0].id),
    ]  # fmt: skip
    assert [[(change["kind"], change["pointer"]) for change in row["changes"]["listed"]] for row in found] == [
        [("removed", "/lines/a"), ("added", "/paid")], [("added", "/lines/b")], [("added", "")],
    ]  # fmt: skip
    assert found[0]["state"]["value"] == {"id": 1, "lines": {"b": 2}, "paid": True}


def test_what_is_null_is_gone_and_can_come_back(cast: Cast, alice: Api) -> None:
    declare(alice, "user.*")
    event(cast, "user.changed", {"n": 1}, subject="u", ago_s=30)
    event(cast, "user.removed", None, subject="u", ago_s=20)
    assert alice.get("/entities/state?subject=u").json()["state"]["exists"] is False
    assert alice.get("/entities/state?subject=u&at=25s").json()["state"]["value"] == {"n": 1}
    event(cast, "user.changed", {"n": 2}, subject="u", ago_s=10)
    assert alice.get("/entities/state?subject=u").json()["state"]["value"] == {"n": 2}


def test_a_state_that_needs_too_many_events_is_refused_and_not_guessed(
    cast: Cast, alice: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.insights.subjects.MOST", 3)
    declare(alice, "count.*", "merge-patch")
    declare(alice, "count.all", "snapshot")
    for number in range(4):
        event(cast, "count.up", {"n": number}, subject="c", ago_s=900 - number)
    answer = alice.get("/entities/state?subject=c")
    assert answer.status_code == 422
    assert "snapshot" in answer.json()["detail"]
    event(cast, "count.all", {"n": 9}, subject="c", ago_s=1)
    assert alice.get("/entities/state?subject=c").json()["state"]["value"] == {"n": 9}


def test_the_latest_of_each_subject_by_a_backfill_and_index_rows_of_declared_paths(
    cast: Cast, alice: Api
) -> None:
    for number in range(5):
        event(
            cast,
            "stock.set",
            {"sku": {"id": f"s{number % 2}"}, "n": number},
            subject=f"s{number % 2}",
            ago_s=50 - number,
        )
    event(cast, "stock.set", {"sku": {"id": "none"}, "n": 0}, subject=None)
    event(cast, "stock.other", {"sku": {"id": "other"}}, subject="s0")
    made = declare(alice, "stock.set", keys=["sku.id", "n"])
    assert made["indexed_at"] is None
    assert backfill.index(made["id"]) == 6
    assert alice.get(f"/projections/{made['id']}").json()["indexed_at"] is not None
    assert backfill.index(made["id"]) == 0
    page = alice.get("/entities?type=stock.set&limit=1").json()
    assert [(row["subject"], row["event"]["data"]["n"]) for row in page["data"]] == [("s0", 4)]
    page = alice.get(f"/entities?type=stock.set&limit=1&cursor={page['next_cursor']}").json()
    assert [(row["subject"], row["event"]["data"]["n"], row["seq"]) for row in page["data"]] == [
        ("s1", 3, page["data"][0]["event"]["seq"])
    ]
    assert page["has_more"] is False
    assert set(page["offsets"]) == {
        str(shard) for shard in {cast.alice.live.shard, cast.acme.shard, cast.globex.shard}
    }
    values = fetch("select path, value from event_key where env = %s order by 1, 2", [cast.alice.live.id])
    assert values == [("n", "n0"), ("n", "n0"), ("n", "n1"), ("n", "n2"), ("n", "n3"), ("n", "n4"),
                      ("sku.id", "snone"), *[("sku.id", "ss0")] * 3, *[("sku.id", "ss1")] * 2]  # fmt: skip


def test_other_keys_are_indexed_again_and_every_change_is_in_the_audit(alice: Api) -> None:
    made = declare(alice, "a.*", keys=["x"])
    backfill.index(made["id"])
    answer = alice.patch(f"/projections/{made['id']}", {"keys": ["y"]}, if_match='"v1"')
    assert (answer.status_code, answer.json()["version"], answer.json()["indexed_at"]) == (200, 2, None)
    assert alice.patch(f"/projections/{made['id']}", {"keys": []}, if_match='"v1"').status_code == 412
    assert alice.delete(f"/projections/{made['id']}").status_code == 204
    assert alice.get(f"/projections/{made['id']}").status_code == 404
    told = AuditEntry.objects.filter(target=made["id"]).order_by("id").values_list("action", flat=True)
    assert list(told) == ["projection.created", "projection.updated", "projection.deleted"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"pattern": "a.**", "semantics": "snapshot"}, 422),
        ({"pattern": "a", "semantics": "patch"}, 422),
        ({"pattern": "a"}, 422),
        ({"pattern": "a", "semantics": "snapshot", "keys": ["a..b"]}, 422),
        ({"pattern": "a", "semantics": "snapshot", "keys": list("abcdef")}, 422),
        ({"pattern": "a", "semantics": "snapshot", "key": ["a"]}, 400),
    ],
)
def test_a_bad_projection_is_refused_and_nothing_is_kept(
    alice: Api, body: dict[str, Any], status: int
) -> None:
    answer = alice.post("/projections", body)
    assert answer.status_code in (status, 422), answer.content
    assert not Projection.objects.filter(pattern__in=["a", "a.**"]).exists()


def test_a_pattern_is_declared_once(alice: Api) -> None:
    declare(alice, "once.*")
    assert alice.post("/projections", {"pattern": "once.*", "semantics": "snapshot"}).status_code == 409


@pytest.mark.parametrize(
    "path",
    ["/entities/state", "/entities/state?subject=", "/entities/timeline", "/entities", "/entities?type=a.*"],
)
def test_what_is_needed_is_asked_for(alice: Api, path: str) -> None:
    assert alice.get(path).status_code == 400
