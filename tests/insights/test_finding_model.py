"""Searching against a naive filter: whatever is asked for, all pages together are what a loop over every delivery finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.core.jsonbytes import dumps, loads
from hub.delivery.outcome import Reason
from hub.delivery.selectors import gathering
from hub.insights import finding, finding_content, finding_deliveries, finding_log, finding_pace
from hub.insights.search import parse
from hub.tenants.scoping import Scope
from tests.cast import make_cast
from tests.eventlog import rows
from tests.eventlog.scene import bound
from tests.insights.crowd import NOW, Crowd, Made, sorted_by

Holds = Callable[[Made], bool]


@pytest.fixture(scope="module")
def crowd(django_db_setup: None, django_db_blocker: Any) -> Iterator[Crowd]:
    with rows.never_committed(django_db_blocker), django_db_blocker.unblock():
        yield Crowd(make_cast(), seed=7, events=80)


def timeouts(made: Made) -> bool:
    return made.reason in (Reason.connect_timeout, Reason.read_timeout)


def took(made: Made, least: int, most: int = 2**62) -> bool:
    return made.latency_us is not None and least <= made.latency_us <= most


def uid(made: Made) -> str:
    return made.sub.consumer.uid if made.sub.consumer_id else ""


# What is written, and what it means of a delivery.
PIECES: list[tuple[str, Holds]] = [
    ("status:dead", lambda m: m.state == "dead"),
    ("status:failed", lambda m: m.state in ("dead", "retrying")),
    ("status:retrying", lambda m: m.state == "retrying"),
    ("status:waiting", lambda m: m.state == "waiting"),
    ("status:held,retrying", lambda m: m.state in ("held", "retrying")),
    ("status:open", lambda m: m.state in ("waiting", "held", "retrying")),
    ("status:cancelled", lambda m: m.state == "cancelled"),
    ("status:cancelled,expired", lambda m: m.state in ("cancelled", "expired")),
    ("status:expired,dead", lambda m: m.state in ("expired", "dead")),
    ("status:delivered", lambda m: m.state == "delivered"),
    ("status:waiting,delivered", lambda m: m.state in ("waiting", "delivered")),
    ("-status:delivered", lambda m: m.state != "delivered"),
    ("-status:open", lambda m: m.state not in ("waiting", "held", "retrying")),
    ("type:order.*", lambda m: m.event.type.startswith("order.")),
    ("type:ping,user.made", lambda m: m.event.type in ("ping", "user.made")),
    ("type:*", lambda m: not m.event.type.startswith("hub.")),
    ("-type:order.paid", lambda m: m.event.type != "order.paid"),
    ("subject:o-1", lambda m: m.event.subject == "o-1"),
    ("subject:o-*", lambda m: (m.event.subject or "").startswith("o-")),
    ("subject:*", lambda m: m.event.subject is not None),
    ("-subject:o-1,o-2", lambda m: m.event.subject not in ("o-1", "o-2")),
    ("consumer:acme", lambda m: uid(m) == "acme"),
    ("consumer:a*,glob*", lambda m: uid(m) != ""),
    ("consumer:*", lambda m: uid(m) != ""),
    ("-consumer:acme", lambda m: uid(m) != "acme"),
    ("consumer:nobody", lambda m: False),
    ('sub:"shop 1"', lambda m: m.sub.name == "shop 1"),
    ('-sub:"shop 1"', lambda m: m.sub.name != "shop 1"),
    ("code:5xx", lambda m: 500 <= m.http <= 599),
    ("code:200", lambda m: m.http == 200),
    ("code:503,429", lambda m: m.http in (503, 429)),
    ("code:>=400", lambda m: m.http >= 400),
    ("code:<300", lambda m: 0 < m.http < 300),
    ("code:timeout", timeouts),
    ("code:delivered", lambda m: m.reason is Reason.delivered),
    ("code:subscription-deleted", lambda m: m.reason is Reason.subscription_deleted),
    ("code:201..299", lambda m: 201 <= m.http <= 299),
    ("-code:<300", lambda m: not 0 < m.http < 300),
    ("-code:http-5xx,http-404,read-timeout", lambda m: m.reason not in (Reason.http_5xx, Reason.http_404, Reason.read_timeout)),
    ("-latency:<50ms", lambda m: not took(m, 0, 49_999)),
    ("code:dns,cancelled,404", lambda m: m.reason in (Reason.dns, Reason.cancelled) or m.http == 404),
    ("code:http-5xx", lambda m: m.reason is Reason.http_5xx),
    ("-code:5xx", lambda m: not 500 <= m.http <= 599),
    ("-code:timeout,2xx", lambda m: not timeouts(m) and not 200 <= m.http <= 299),
    ("attempt:0", lambda m: m.attempts == 0),
    ("attempt:1", lambda m: m.attempts == 1),
    ("attempt:>1", lambda m: m.attempts > 1),
    ("attempt:2..3", lambda m: 2 <= m.attempts <= 3),
    ("attempt:<2", lambda m: m.attempts < 2),
    ("-attempt:>2", lambda m: m.attempts <= 2),
    ("latency:>800ms", lambda m: took(m, 800_001)),
    ("latency:250ms..1s", lambda m: took(m, 250_000, 1_000_000)),
    ("latency:<50ms", lambda m: took(m, 0, 49_999)),
    ("-latency:>250ms", lambda m: not took(m, 250_001)),
    ("body.customer.id:3", lambda m: m.event.number == 3),
    ("body.customer.id:>2", lambda m: m.event.number > 2),
    ("-body.customer.id:>2", lambda m: m.event.number <= 2),
    ("plain", lambda m: m.event.text == "plain"),
    ("-zo\u00eb", lambda m: m.event.text != "Zo\u00eb"),
]  # fmt: skip
# The same of the headers of one attempt that was captured.
HEADERS: list[tuple[str, Callable[[set[tuple[str, str]]], bool]]] = [
    ("header.x-way:a", lambda headers: ("x-way", "a") in headers),
    ("header.X-WAY:c", lambda headers: ("x-way", "c") in headers),
    ("-header.x-way:b", lambda headers: ("x-way", "b") not in headers),
    ("header.webhook-id:*", lambda headers: True),
]
AGES = st.sampled_from([timedelta(hours=h) for h in (1, 5, 12, 30, 50, 70, 100)])


def moment_of(made: Made, order: str) -> datetime:
    if order == "at":
        assert made.at is not None
        return made.at
    return made.event.row.at


@dataclass(frozen=True)
class Search:
    """A text, and what it means."""

    text: str
    pieces: list[tuple[str, Holds]]
    headers: list[tuple[str, Callable[[set[tuple[str, str]]], bool]]]
    since: datetime | None
    before: datetime | None

    def finds(self, made: Made, order: str) -> bool:
        if self.headers and not any(all(holds(one) for _, holds in self.headers) for one in made.kept):
            return False
        if not all(holds(made) for _, holds in self.pieces):
            return False
        moment = moment_of(made, order) if self.since or self.before else NOW
        return (self.since is None or moment >= self.since) and (self.before is None or moment < self.before)


@st.composite
def searches(draw: st.DrawFn) -> Search:
    def some(of: Any, most: int) -> Any:
        return draw(st.lists(st.sampled_from(of), max_size=most, unique_by=lambda piece: piece[0]))

    pieces = some(PIECES, 3)
    headers = some(HEADERS, 2) if draw(st.integers(0, 4)) == 0 else []
    since, before = (draw(AGES) if draw(st.integers(0, 3)) == 0 else None for _ in range(2))
    since, before = (None if age is None else NOW - age for age in (since, before))
    words = [text for text, _ in (*pieces, *headers)]
    words += [
        f"{key}:{at.isoformat()}" for key, at in (("since", since), ("before", before)) if at is not None
    ]
    return Search(" ".join(draw(st.permutations(words))), pieces, headers, since, before)


def paged(scope: Scope, text: str, *, limit: int) -> tuple[str, list[str]]:
    """The order that the pages claim, and the ids on all of them."""
    found: list[str] = []
    position, reached = None, None
    for _ in range(2000):
        page = finding.deliveries(scope=scope, query=parse(text, now=NOW), position=position, limit=limit)
        assert len(page.rows) <= limit
        found += [row.id for row in page.rows]
        assert (page.next is None) == (page.searched_to is None)
        if page.next is None:
            return str(page.order), found
        assert page.next != position
        assert reached is None or page.searched_to <= reached
        position, reached = loads(dumps(page.next)), page.searched_to
    raise AssertionError("the pages have no end")


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    search=searches(),
    limit=st.sampled_from([2, 20, 200]),
    window=st.sampled_from([2, 30, 250]),
    hasty=st.booleans(),
    scanty=st.booleans(),
)
def test_all_pages_together_are_what_a_loop_over_everything_finds(
    crowd: Crowd, db: None, search: Search, limit: int, window: int, hasty: bool, scanty: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for module, constant in (
            (finding_pace, "FIRST_WINDOW"),
            (finding_content, "PORTION_ROWS"),
            (gathering, "MOST_PARCELS"),
        ):
            patch.setattr(module, constant, window)
        patch.setattr(finding_deliveries, "FEWEST", 2)
        if scanty:
            for constant, few in (("AT_ONCE", 3), ("EVENTS_AT_ONCE", 4), ("MOST_AT_ONCE", 4),
                                  ("MOST_SIDE_BY_SIDE", 0)):  # fmt: skip
                patch.setattr(finding_deliveries, constant, few)
            patch.setattr(finding_log, "MOST_VALUES", 1)
        if hasty:
            patch.setattr(finding_pace, "COLUMNS_S", 0.0)
            patch.setattr(finding_pace, "CONTENT_S", 0.0)
        order, found = paged(crowd.cast.alice.scope, search.text, limit=limit)
    wanted = [made for made in crowd.deliveries if search.finds(made, order)]
    assert found == sorted_by(order, wanted)


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(search=searches(), limit=st.sampled_from([1, 20]), window=st.sampled_from([2, 250]))
def test_a_consumer_finds_its_own_and_others_find_nothing(
    crowd: Crowd, db: None, search: Search, limit: int, window: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finding_pace, "FIRST_WINDOW", window)
        order, found = paged(bound(crowd.cast), search.text, limit=limit)
    wanted = [made for made in crowd.deliveries if uid(made) == "acme" and search.finds(made, order)]
    assert found == sorted_by(order, wanted)
    own = {made.id for made in crowd.deliveries}
    for stranger in (crowd.cast.charlie.scope, crowd.cast.alice.test_scope):
        assert own.isdisjoint(paged(stranger, search.text, limit=200)[1])


def test_every_term_alone_and_beside_every_state_finds_what_the_loop_finds(crowd: Crowd, db: None) -> None:
    plain = [Search(text, [(text, holds)], [], None, None) for text, holds in PIECES]
    plain += [Search(text, [], [(text, holds)], None, None) for text, holds in HEADERS]
    states = [Search("", [], [], None, None), *(one for one in plain if "status:" in one.text)]
    others = [one for one in plain if "status:" not in one.text]
    for state in states:
        for other in (Search("", [], [], None, None), *others):
            both = Search(
                f"{state.text} {other.text}", [*state.pieces, *other.pieces], other.headers, None, None
            )
            order, found = paged(crowd.cast.alice.scope, both.text, limit=200)
            wanted = [made for made in crowd.deliveries if both.finds(made, order)]
            assert found == sorted_by(order, wanted), both.text


def test_the_crowd_has_everything_that_is_asked_for(crowd: Crowd) -> None:
    # Else the tests above would prove little.
    assert len(crowd.deliveries) > 200
    rare = {text for text, holds in PIECES if sum(map(holds, crowd.deliveries)) < 3}
    assert rare == {"consumer:nobody"}


def test_pasted_ids_find_what_they_name(crowd: Crowd, db: None) -> None:
    scope, some = crowd.cast.alice.scope, next(made for made in crowd.deliveries if made.run)
    twins = [made for made in crowd.deliveries if made.event is some.event]
    runs = [made for made in twins if made.sub is some.sub]
    message = f"msg{some.id.rpartition('_')[0][3:]}"

    def found(text: str) -> list[str]:
        return paged(scope, text, limit=200)[1]

    assert found(some.id) == [some.id]
    assert found(message) == sorted_by("accepted_at", runs)
    assert len(runs) == 2
    assert found(some.event.row.id) == sorted_by("accepted_at", twins)
    assert found(some.sub.uid) == sorted_by("accepted_at", [m for m in crowd.deliveries if m.sub is some.sub])
    assert found(crowd.cast.acme.public_id) == found("consumer:acme")
    assert found(f"{some.id} -{some.event.row.id}") == []
    assert found(f"-{some.id} {message}") == [made.id for made in runs if made is not some]
    mixed = [made for made in crowd.deliveries if made.sub is some.sub or made.event is some.event]
    assert found(f"id:{some.sub.uid},{some.event.row.id}") == sorted_by("accepted_at", mixed)
