"""Searching through the API: what is found, what is refused and where, cursors, and that parameters are terms as well."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from hub.delivery.outcome import Reason
from hub.subscriptions.models import Subscription
from tests.api.client import Api
from tests.api.shapes import conforms
from tests.architecture.tree import ROOT, text
from tests.cast import Cast
from tests.eventlog import rows
from tests.eventlog.rows import Row

NOW = datetime.now(UTC)
NEW = {"url": "https://hooks.example.com/", "patterns": ["order.*"], "name": "the shop"}
PAPER = text(ROOT / "docs" / "search.md")


@pytest.fixture
def sub(alice: Api) -> Subscription:
    return Subscription.objects.get(uid=alice.post("/subscriptions", NEW).json()["id"])


@pytest.fixture
def events(cast: Cast, sub: Subscription) -> list[Row]:
    """Four, the oldest first: delivered slowly, dead of a timeout, dead at the third try, and waiting."""
    made = [
        rows.event(
            cast.alice.live,
            at=NOW - timedelta(hours=4 - n),
            subject=f"o-{n % 2}",
            data=b'{"customer":{"id":%d}}' % n,
        )
        for n in range(4)
    ]
    rows.delivered(sub, made[0], total_us=900_000, at=NOW - timedelta(minutes=5))
    rows.dead(sub, made[1], reason=Reason.read_timeout, http=0, at=NOW - timedelta(minutes=9))
    for n in (1, 2):
        rows.attempt(sub, made[2], n=n)
    rows.dead(sub, made[2], n=3, http=503, at=NOW - timedelta(minutes=7))
    rows.capture(sub, made[2], n=2, headers=b"X-Id: abc\r\n")
    rows.parcel(sub, made[3:])
    return made


def get(api: Api, path: str, **query: str) -> Any:
    return api.get(f"{path}?{urlencode(query)}")


def found(api: Api, events: list[Row], sub: Subscription, search: str, **more: str) -> list[int]:
    page = conforms(get(api, "/deliveries", search=search, **more), "deliveries_list")
    assert page["has_more"] is False
    return [[event.delivery(sub) for event in events].index(row["id"]) for row in page["data"]]


@pytest.mark.parametrize(
    ("search", "wanted"),
    [
        ("", [3, 2, 1, 0]), ("status:dead", [2, 1]), ("code:timeout", [1]), ("code:5xx|timeout", [2, 1]), ("attempt:>2", [2]),
        ("latency:>800ms", [0]), ('sub:"the shop" status:delivered', [0]), ("subject:o-1 -status:dead", [3]),
        ("body.customer.id:2", [2]), ("header.x-id:abc", [2]), ("type:order.* attempt:>=1", [0, 2, 1]), ("status:open", [3]),
        ("before:150m", [1, 0]), ("status:dead,delivered since:8m", [0, 2]), ("consumer:acme", []), ("sub:sub_01h455vb4pex5vsknk084sn02q", []),
    ],
)  # fmt: skip
def test_a_search_finds_deliveries(
    alice: Api, events: list[Row], sub: Subscription, search: str, wanted: list[int]
) -> None:
    assert found(alice, events, sub, search) == wanted


def test_an_id_finds_what_it_names(alice: Api, events: list[Row], sub: Subscription) -> None:
    assert found(alice, events, sub, events[1].delivery(sub)) == [1]
    assert found(alice, events, sub, events[2].id) == [2]
    assert found(alice, events, sub, sub.uid) == [3, 2, 1, 0]
    page = conforms(get(alice, "/events", search=events[2].delivery(sub)), "events_list")
    assert [row["id"] for row in page["data"]] == [events[2].id]


def test_other_parameters_apply_as_well(alice: Api, events: list[Row], sub: Subscription) -> None:
    assert found(alice, events, sub, "status:dead,delivered", status="dead,waiting") == [2, 1]
    assert found(alice, events, sub, "status:dead", status="delivered") == []
    assert found(alice, events, sub, "code:5xx", subscription=sub.uid) == [2]
    assert found(alice, events, sub, "subject:o-1", event=events[1].id) == [1]
    assert found(alice, events, sub, "since:210m", until="90m") == [2, 1]
    assert found(alice, events, sub, "before:90m", until="150m") == [1, 0]
    assert get(alice, "/deliveries", search="status:dead", subscription="sub_1").status_code == 404
    page = conforms(get(alice, "/events", search="subject:o-1", since="2h"), "events_list")
    assert [row["id"] for row in page["data"]] == [events[3].id]


def test_the_answer_says_its_order_and_how_far_it_looked(alice: Api, events: list[Row]) -> None:
    page = conforms(get(alice, "/deliveries", search="status:dead", limit="1"), "deliveries_list")
    assert (page["order"], page["has_more"]) == ("at", True)
    assert page["searched_to"] == page["data"][0]["at"]
    last = get(alice, "/deliveries", search="status:dead", limit="1", cursor=page["next_cursor"]).json()
    last = (
        get(alice, "/deliveries", search="status:dead", limit="1", cursor=last["next_cursor"]).json()
        if last["has_more"]
        else last
    )
    assert (last["searched_to"], last["next_cursor"], last["has_more"]) == (None, None, False)
    page = conforms(get(alice, "/deliveries", search="subject:o-1", limit="1"), "deliveries_list")
    assert (page["order"], page["has_more"]) == ("accepted_at", True)
    assert page["searched_to"][:19] == page["data"][0]["accepted_at"][:19]


def test_a_cursor_belongs_to_its_search(alice: Api, acme: Api, events: list[Row]) -> None:
    cursor = get(alice, "/deliveries", search="status:dead since:7d", limit="1").json()["next_cursor"]
    # The same terms in another spelling are the same search, and a parameter is a term.
    for same in ({"search": "STATUS:dead   since:7d"}, {"search": "status:dead", "since": "7d"}):
        assert get(alice, "/deliveries", limit="1", cursor=cursor, **same).status_code == 200
    for other in ("status:dead", "status:dead since:8d", "", "status:dead since:7d code:5xx"):
        answer = get(alice, "/deliveries", search=other, cursor=cursor)
        assert answer.status_code == 400
        assert answer.json()["detail"] == (
            "cursor: is not one that this list gave out for these parameters; begin without it."
        )
    assert get(alice, "/events", search="since:7d", cursor=cursor).status_code == 400
    assert get(acme, "/deliveries", search="status:dead since:7d", cursor=cursor).status_code == 400


@pytest.mark.parametrize(
    ("path", "search", "fault"),
    [
        ("/deliveries", "staus:dead", {"start": 0, "end": 5, "suggestion": "status"}),
        ("/deliveries", "type:a status:ded", {"start": 14, "end": 17, "suggestion": "dead"}),
        ("/deliveries", "attempt:many", {"start": 8, "end": 12}),
        ("/deliveries", 'caf\u00e9 "open', {"start": 5, "end": 10}),
        ("/deliveries", "since:24h since:2h", {"start": 10, "end": 15}),
        ("/events", "staus:dead", {"start": 0, "end": 5, "suggestion": "status"}),
        ("/events", "a status:dead", {"start": 2, "end": 8}),
        ("/events", "a" * 1001, {"start": 1000, "end": 1001}),
    ],
)  # fmt: skip
def test_what_can_not_be_read_is_underlined(
    alice: Api, path: str, search: str, fault: dict[str, Any]
) -> None:
    answer = get(alice, path, search=search)
    body = conforms(answer, f"{path[1:]}_list")
    assert (answer.status_code, body["code"]) == (400, "bad-request")
    (told,) = body["errors"]
    assert (told.pop("parameter"), body["detail"]) == ("search", f"search: {told.pop('detail')}.")
    assert told == fault


def test_strangers_find_nothing_and_are_told_nothing(
    cast: Cast, alice: Api, acme: Api, events: list[Row], sub: Subscription
) -> None:
    asked = ("", sub.uid, f"sub:{sub.uid}", 'sub:"the shop"', events[1].id, events[1].delivery(sub), "subject:o-1", "status:dead",
             "body.customer.id:*", "consumer:acme", cast.acme.public_id)  # fmt: skip
    nothing = {"data": [], "next_cursor": None, "has_more": False, "searched_to": None}
    for search in asked:
        for stranger in (Api(cast.charlie.live_key), Api(cast.alice.test_key), acme, Api(cast.globex_key)):
            page = conforms(get(stranger, "/deliveries", search=search), "deliveries_list")
            assert {name: page[name] for name in nothing} == nothing
    for search in ("", events[1].id, "subject:o-1", "body.customer.id:*", "type:order.*"):
        for stranger in (Api(cast.charlie.live_key), Api(cast.alice.test_key), acme):
            page = conforms(get(stranger, "/events", search=search), "events_list")
            assert {name: page[name] for name in nothing} == nothing


def blocks(kind: str) -> list[str]:
    """The lines of the paper's blocks of that kind."""
    return [
        line for block in re.findall(rf"```{kind}\n(.*?)```", PAPER, re.DOTALL) for line in block.splitlines()
    ]


@pytest.mark.parametrize("kind", ["deliveries", "events"])
def test_the_papers_examples_can_be_searched_for(alice: Api, events: list[Row], kind: str) -> None:
    lines = blocks(kind)
    assert len(lines) >= 3
    for line in lines:
        conforms(get(alice, f"/{kind}", search=line), f"{kind}_list")


def test_the_papers_table_shows_searches_that_can_be_read(alice: Api) -> None:
    cells = [
        row.rsplit("|", 2)[1] for row in PAPER.splitlines() if row.startswith("| `") and row.count("|") >= 4
    ]
    examples = [example for cell in cells for example in re.findall(r"`([^`]+)`", cell)]
    assert len(examples) > 20
    for example in examples:
        assert get(alice, "/deliveries", search=example).status_code == 200, example


def test_the_papers_refusal_is_what_is_answered(alice: Api) -> None:
    (line,) = blocks("json")
    assert get(alice, "/deliveries", search="staus:dead").json()["errors"] == [json.loads(line)]
