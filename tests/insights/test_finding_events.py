"""Searching events: what answers, in which order, page by page, and who sees what."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from re import sub
from typing import Any

import pytest

from hub.core.jsonbytes import dumps, loads
from hub.insights import finding, finding_content, finding_log, finding_pace
from hub.insights.search_events import parse_for_events
from hub.insights.search_plan import Order
from hub.insights.search_words import BadSearch
from hub.tenants.scoping import Scope
from tests.cast import Cast, make_cast
from tests.eventlog.rows import Row, event, never_committed
from tests.eventlog.scene import bound

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def shared(django_db_setup: None, django_db_blocker: Any) -> Iterator[Cast]:
    with never_committed(django_db_blocker):
        yield make_cast()


@pytest.fixture
def cast(shared: Cast, db: None) -> Cast:
    return shared


@pytest.fixture
def scope(cast: Cast) -> Scope:
    return cast.alice.scope


def found(scope: Scope, text: str, *, limit: int = 50) -> list[int]:
    """Offsets on all pages."""
    seqs: list[int] = []
    position = None
    for _ in range(100):
        query = parse_for_events(text, now=NOW)
        page = finding.events(scope=scope, query=query, position=position, limit=limit)
        seqs += [row.seq for row in page.rows]
        assert len(page.rows) <= limit
        assert page.order is Order.accepted
        assert (page.next is None) == (page.searched_to is None)
        if page.next is None:
            return seqs
        position = loads(dumps(page.next))
    raise AssertionError("the pages have no end")


@pytest.fixture
def log(cast: Cast) -> list[Row]:
    """Six events, the oldest first."""
    live = cast.alice.live
    return [
        event(live, at=NOW - timedelta(hours=23), subject="o-1", data=b'{"id":42,"by":{"name":"Zo\\u00eb"}}'),
        event(live, at=NOW - timedelta(hours=20), type="order.paid", subject="o-1", consumer=cast.acme),
        event(live, at=NOW - timedelta(hours=2), type="user.made", consumer=cast.acme, data=b'{"id":"42"}'),
        event(live, at=NOW - timedelta(hours=1), type="order.paid", subject="o-2", consumer=cast.globex),
        event(live, at=NOW - timedelta(minutes=1), type="hub.delivery.dead", origin=1),
        event(live, type="order.created", subject="o-2", data=b'{"id":43}'),
    ]


def moment(ago: timedelta) -> str:
    return (NOW - ago).isoformat()


@pytest.mark.parametrize("limit", [1, 2, 5, 6, 50])
def test_pages_of_any_size_hold_every_event_once_newest_first(
    scope: Scope, log: list[Row], limit: int
) -> None:
    assert found(scope, "", limit=limit) == [row.seq for row in reversed(log)]


@pytest.mark.parametrize("limit", [1, 50])
@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("type:order.paid", [3, 1]),
        ("type:order.*", [5, 3, 1, 0]),
        ("type:*", [5, 3, 2, 1, 0]),
        ("type:hub.*", [4]),
        ("type:*,hub.*", [5, 4, 3, 2, 1, 0]),
        ("type:order", []),
        ("type:user.made,order.paid", [3, 2, 1]),
        ("-type:order.*,hub.*", [2]),
        ("type:order.* -type:order.paid", [5, 0]),
        ("subject:o-1", [1, 0]),
        ("subject:o-1,o-2", [5, 3, 1, 0]),
        ("subject:o-2 type:order.paid", [3]),
        ("subject:o-*", [5, 3, 1, 0]),
        ("-subject:o-1", [5, 4, 3, 2]),
        ("-subject:*", [4, 2]),
        ("subject:nothing", []),
        ("consumer:acme", [2, 1]),
        ("consumer:acme,globex", [3, 2, 1]),
        ("consumer:a*", [2, 1]),
        ("consumer:*", [3, 2, 1]),
        ("-consumer:*", [5, 4, 0]),
        ("-consumer:acme", [5, 4, 3, 0]),
        ("consumer:acme type:order.*", [1]),
        ("consumer:acm", []),
        (f"since:{moment(timedelta(hours=3))}", [5, 4, 3, 2]),
        (f"before:{moment(timedelta(hours=3))}", [1, 0]),
        (f"since:{moment(timedelta(hours=21))} before:{moment(timedelta(minutes=90))}", [2, 1]),
        (f"type:order.* since:{moment(timedelta(hours=21))}", [5, 3, 1]),
        ("since:1970-01-01 before:2999-01-01", [5, 4, 3, 2, 1, 0]),
        ("since:1h before:2h", []),
        ("body.id:42", [2, 0]),
        ("body.id:>42", [5]),
        ("-body.id:*", [4, 3, 1]),
        ("body.id:* subject:*", [5, 0]),
        ("zo\u00eb", [0]),
        ("n", [4, 3, 1, 0]),
    ],
    # Moments in names would be others in each of pytest's workers.
    ids=lambda value: sub(r"\d{4}-\d\d-\d\dT[^ ]*", "moment", value) if isinstance(value, str) else "",
)  # fmt: skip
def test_terms_narrow_by_index_or_by_looking(
    scope: Scope, log: list[Row], text: str, wanted: list[int], limit: int
) -> None:
    assert found(scope, text, limit=limit) == [log[number].seq for number in wanted]


def test_days_long_ago_are_found_too(cast: Cast, scope: Scope) -> None:
    old = [event(cast.alice.live, at=NOW - timedelta(days=days)) for days in (9, 4, 2)]
    assert found(scope, "", limit=1) == [row.seq for row in reversed(old)]
    assert found(scope, "since:5d before:3d") == [old[1].seq]


def test_an_id_finds_its_event(cast: Cast, scope: Scope, log: list[Row]) -> None:
    from_afar = event(cast.charlie.live)
    assert found(scope, log[0].id) == [log[0].seq]
    assert found(scope, f"id:{log[0].id},{log[3].id},{from_afar.id}", limit=1) == [log[3].seq, log[0].seq]
    assert found(scope, f"{log[0].id} {log[3].id}") == []
    assert found(scope, f"{log[0].id} type:order.paid") == []
    assert found(scope, f"-{log[5].id}") == [row.seq for row in reversed(log[:5])]
    assert found(scope, cast.acme.public_id) == [log[2].seq, log[1].seq]
    assert found(scope, f"id:{cast.acme.public_id},{log[4].id}") == [log[n].seq for n in (4, 2, 1)]


def test_strangers_find_nothing_and_a_consumer_its_own(cast: Cast, scope: Scope, log: list[Row]) -> None:
    for text in (
        "",
        "subject:o-1",
        "type:order.paid",
        log[1].id,
        "consumer:acme",
        cast.acme.public_id,
        "n",
        "consumer:*",
    ):
        assert found(scope, text) != []
        assert found(cast.charlie.scope, text) == []
        assert found(cast.alice.test_scope, text) == []
        assert set(found(bound(cast), text)) <= {log[2].seq, log[1].seq}
    assert found(bound(cast), "") == [log[2].seq, log[1].seq]
    assert found(bound(cast), "consumer:globex") == []
    assert found(bound(cast), log[3].id) == []
    assert found(bound(cast), "type:order.*") == [log[1].seq]


def test_how_far_was_looked_tells_a_consumer_nothing_of_others(
    cast: Cast, log: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding_pace, "COLUMNS_S", 0.0)
    monkeypatch.setattr(finding_pace, "FIRST_WINDOW", 1)
    for text in ("type:none", "subject:o-2", "-type:order.*,user.*"):
        query = parse_for_events(text, now=NOW)
        page = finding.events(scope=bound(cast), query=query, position=None, limit=1)
        assert page.rows == []
        assert page.searched_to is None or page.searched_to <= log[2].at


def test_a_page_that_looked_long_enough_says_where_to_go_on(
    scope: Scope, log: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding_pace, "COLUMNS_S", 0.0)
    monkeypatch.setattr(finding_pace, "FIRST_WINDOW", 2)
    query = parse_for_events("type:order.* -subject:o-2", now=NOW)
    page = finding.events(scope=scope, query=query, position=None, limit=1)
    assert (page.rows, page.next) == ([], [log[4].raw.hex()])
    assert page.searched_to == log[4].at.replace(microsecond=log[4].at.microsecond // 1000 * 1000)
    assert found(scope, "type:order.* -subject:o-2", limit=1) == [log[1].seq, log[0].seq]


def test_bodies_are_read_in_portions_and_a_page_may_end_between_two(
    scope: Scope, log: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding_pace, "CONTENT_S", 0.0)
    monkeypatch.setattr(finding_content, "PORTION_ROWS", 2)
    query = parse_for_events("body.id:42", now=NOW)
    page = finding.events(scope=scope, query=query, position=None, limit=5)
    assert (page.rows, page.next) == ([], [log[4].raw.hex()])
    assert found(scope, "body.id:42") == [log[2].seq, log[0].seq]
    monkeypatch.setattr(finding_content, "PORTION_BYTES", 1)
    assert found(scope, "body.id:42", limit=1) == [log[2].seq, log[0].seq]


def test_a_rare_pattern_is_looked_up_by_the_types_there_are(
    cast: Cast, scope: Scope, log: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding_pace, "FIRST_WINDOW", 1)
    monkeypatch.setattr(finding_pace, "LARGEST_WINDOW", 1)
    for number in range(20):
        event(cast.alice.live, type=f"other.kind{number}")
    assert found(scope, "type:order.*,user.*") == [log[n].seq for n in (5, 3, 2, 1, 0)]
    assert found(scope, "type:none.*") == []
    monkeypatch.setattr(finding_log, "MOST_VALUES", 1)
    assert found(scope, "type:order.*,user.*") == [log[n].seq for n in (5, 3, 2, 1, 0)]


@pytest.mark.parametrize(
    ("text", "start", "end", "sentence"),
    [
        ("type:ping status:dead", 10, 16, "status is said of deliveries"),
        ("-code:5xx", 1, 5, "code is said of deliveries"),
        ("header.x:1", 0, 8, "header is said of deliveries"),
        ("a subscription:x", 2, 14, "sub is said of deliveries"),
        ("a sub_01h455vb4pex5vsknk084sn02q", 2, 32, "a subscription has deliveries"),
        ("attempt:>1", 0, 7, "attempt is said of deliveries"),
        ("latency:>1s", 0, 7, "latency is said of deliveries"),
        ("typ:x", 0, 3, "'typ' is no key"),
    ],
)  # fmt: skip
def test_what_only_deliveries_have_is_refused(text: str, start: int, end: int, sentence: str) -> None:
    with pytest.raises(BadSearch, match=sentence) as refused:
        parse_for_events(text, now=NOW)
    assert (refused.value.start, refused.value.end) == (start, end)
