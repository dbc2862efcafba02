"""Which driver and which order a search gets, and that what it implies for what is found is never more than is true."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.core import ids
from hub.delivery.outcome import Reason, classify
from hub.delivery.states import State
from hub.insights import search_meaning as meaning
from hub.insights.search import Query, parse
from hub.insights.search_fit import DELIVERY_KEYS, Names, Traits, fit_of
from hub.insights.search_plan import OF_ATTEMPTS, By, Order, Plan, plain, plan_deliveries, plan_events

NOW = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
EVENT, OTHER = (ids.encode("evt", bytes([n]) * 16) for n in (1, 2))
DELIVERY = ids.delivery_id(b"\x01" * 16, 7, 2)
MESSAGE = ids.message_id(b"\x02" * 16, 7)
SUB, CON = (f"{kind}_01h455vb4pex5vsknk084sn02q" for kind in ("sub", "con"))


def query(text: str) -> Query:
    return plain(parse(text, now=NOW))


def plan(text: str, *, bound: bool = False) -> Plan:
    return plan_deliveries(query(text), bound=bound)


@pytest.mark.parametrize(
    ("text", "by", "values"),
    [
        ("", By.log, ()),
        ("since:24h", By.log, ()),
        ('"free text" body.a:1', By.log, ()),
        ("type:*", By.log, ()),
        ("-type:ping", By.log, ()),
        ("consumer:*", By.log, ()),
        ("-sub:x -consumer:y", By.log, ()),
        ("status:waiting,dead", By.log, ()),
        ("-status:delivered", By.log, ()),
        ("attempt:<2", By.log, ()),
        ("-code:5xx", By.log, ()),
        ("type:order.*,ping", By.type, ("order.*", "ping")),
        ("type:* type:ping", By.type, ("ping",)),
        (EVENT, By.ids, (b"\x01" * 16,)),
        (f"id:{MESSAGE},{DELIVERY} status:dead", By.ids, (b"\x01" * 16, b"\x02" * 16)),
        (f"{EVENT} {OTHER}", By.nothing, ()),
        (f"{EVENT} {DELIVERY}", By.ids, (b"\x01" * 16,)),
        (f"-{EVENT}", By.log, ()),
        (f"id:{EVENT},{SUB}", By.log, ()),
        ("subject:o-1,o-2 status:dead sub:x", By.subject, ("o-1", "o-2")),
        ("subject:o-* type:ping", By.type, ("ping",)),
        ("status:waiting", By.open, ()),
        ("status:open code:5xx sub:x", By.open, ()),
        ("status:retrying", By.open, ()),
        ("status:dead", By.dead, ()),
        ("status:dead code:timeout type:ping", By.dead, ()),
        ("status:failed -status:retrying", By.dead, ()),
        ("status:cancelled,expired", By.ended, ()),
        ("status:cancelled,dead", By.failed, ()),
        ("status:failed", By.failed, ()),
        ("code:>=300", By.failed, ()),
        ("code:subscription-deleted", By.failed, ()),
        ("code:timeout", By.reasons, (Reason.connect_timeout, Reason.read_timeout)),
        ("code:5xx", By.reasons, (Reason.http_5xx,)),
        ("code:5xx code:timeout", By.reasons, (Reason.http_5xx,)),
        ("code:404..410,dns", By.reasons, (Reason.dns, Reason.http_404, Reason.http_410, Reason.http_4xx)),
        ("status:failed code:dns attempt:>3", By.reasons, (Reason.dns,)),
        ("code:200..500", By.tried, ()),
        ("code:2xx,429", By.tried, ()),
        ("code:delivered", By.tried, ()),
        ("attempt:>3", By.repeated, ()),
        ("attempt:2,5 latency:>1s", By.repeated, ()),
        ("attempt:1", By.tried, ()),
        ("latency:>800ms", By.slow, ()),
        ("latency:>250ms", By.slow, ()),
        ("latency:>=250ms", By.tried, ()),
        ("latency:<50ms", By.tried, ()),
        ("status:delivered", By.tried, ()),
        ("status:delivered,retrying", By.tried, ()),
        ("status:delivered latency:>1s", By.slow, ()),
        ("header.x:a", By.tried, ()),
        ("-header.x:a", By.tried, ()),
        ("header.x:a code:dns", By.reasons, (Reason.dns,)),
        ("sub:x", By.targets, ()),
        ("consumer:acme*", By.targets, ()),
        (SUB, By.targets, ()),
        (CON, By.targets, ()),
        ("sub:x type:ping", By.targets, ()),
        ("sub:x status:delivered", By.targets, ()),
        ("sub:x status:dead", By.failed_of, ()),
        ("consumer:acme code:5xx", By.failed_of, ()),
        ("sub:x latency:>1s", By.slow, ()),
        ("sub:x attempt:>3", By.repeated, ()),
        ("sub:x attempt:1", By.targets, ()),
        ("sub:x header.a:b", By.targets, ()),
        ("status:dead status:delivered", By.nothing, ()),
        ("status:dead -status:failed", By.nothing, ()),
        ("since:1h before:2h", By.nothing, ()),
    ],
)  # fmt: skip
def test_each_search_of_deliveries_has_one_driver(text: str, by: By, values: tuple[object, ...]) -> None:
    found = plan(text)
    assert (found.by, found.values) == (by, values)
    assert found.order is (Order.tried if by in OF_ATTEMPTS else Order.accepted)


@pytest.mark.parametrize(
    ("text", "by"),
    [
        ("", By.targets), ("type:ping", By.targets), ("status:dead", By.failed_of), ("status:open", By.open),
        ("latency:>1s", By.targets), ("attempt:>3", By.targets), ("status:cancelled", By.failed_of),
        ("code:5xx sub:x", By.failed_of), (EVENT, By.ids), ("subject:o-1", By.subject), ("status:delivered", By.targets),
    ],
)  # fmt: skip
def test_a_consumers_key_never_walks_over_rows_of_others(text: str, by: By) -> None:
    assert plan(text, bound=True).by is by


@pytest.mark.parametrize(
    ("text", "by", "bound"),
    [
        ("", By.log, By.consumer), ("type:ping", By.type, By.consumer), ("type:*", By.log, By.consumer),
        ("consumer:acme,b*", By.consumer, By.consumer), ("consumer:*", By.log, By.consumer),
        ("-consumer:acme", By.log, By.consumer), (CON, By.consumer, By.consumer), ("subject:a type:ping", By.subject, By.subject),
        (DELIVERY, By.ids, By.ids), (f"{EVENT} subject:a", By.ids, By.ids), ("body.a:1", By.log, By.consumer),
        ("since:1h before:2h", By.nothing, By.nothing),
    ],
)  # fmt: skip
def test_each_search_of_events_has_one_driver(text: str, by: By, bound: By) -> None:
    asked = plain(parse(text, now=NOW), events=True)
    assert (plan_events(asked, bound=False).by, plan_events(asked, bound=True).by) == (by, bound)


def test_ids_mean_what_they_name() -> None:
    assert [(t.key, t.values[0].value) for t in query(f"{SUB} -{CON} {EVENT}").terms] == [
        ("sub", SUB), ("consumer", CON), ("id", EVENT),
    ]  # fmt: skip
    (events,) = plain(parse(f"id:{DELIVERY},{EVENT},{MESSAGE}", now=NOW), events=True).terms
    assert [value.value for value in events.values] == [EVENT, OTHER]


def test_bounds_of_time_all_hold() -> None:
    both = Query((*query("since:24h before:1h").terms, *query("since:2026-11-23T00:00Z before:30m").terms))
    found = plan_deliveries(both, bound=False)
    assert (found.since, found.before) == (datetime(2026, 11, 23, tzinfo=UTC), NOW - timedelta(hours=1))
    exact = plan("since:2026-11-23T00:00:00.001999Z")
    assert exact.since_ms == int(datetime(2026, 11, 23, tzinfo=UTC).timestamp()) * 1000 + 1
    assert plan("").since_ms is None


REASONS = [reason for reason in Reason if reason is not Reason.subscription_deleted]
STATUSES = st.sampled_from([0, 200, 204, 301, 401, 404, 410, 413, 418, 429, 500, 503])
TERMS = st.sampled_from([
    "code:5xx", "code:200", "code:201..299", "code:>=300", "code:<200", "code:2xx,dns", "code:404,429", "code:400..499", "code:timeout",
    "code:subscription-deleted", "code:delivered", "-code:2xx", "-code:5xx", "attempt:1", "attempt:>1", "attempt:0",
    "attempt:2..4", "-attempt:>1", "latency:>800ms", "latency:<1s", "latency:250.001ms..1s", "-latency:<1s",
    "status:dead", "status:failed", "-status:delivered", "status:delivered,dead", "status:waiting,held", "status:open",
])  # fmt: skip


@st.composite
def traits(draw: st.DrawFn) -> Traits:
    """A delivery as there may be one: waiting, or with a last attempt."""
    state = draw(st.sampled_from(State))
    if state in (State.waiting, State.held):
        return Traits(state=state)
    attempts, took = (
        draw(st.integers(1, 5)),
        draw(st.sampled_from([0, 900, 250_000, 250_001, 900_000, 2_000_000])),
    )
    if state is State.delivered:
        return Traits(
            state=state,
            http=draw(st.sampled_from([200, 204])),
            reason=Reason.delivered,
            attempts=attempts,
            latency_us=took,
        )
    status = draw(STATUSES)
    error = draw(
        st.sampled_from(["", "read-timeout", "reset"] if status else ["dns", "connect-timeout", "tls-failed"])
    )
    reason = classify(status=status, error=error)
    reason = Reason.reset if reason is Reason.delivered else reason
    if state in (State.dead, State.retrying):
        return Traits(state=state, http=status, reason=reason, attempts=attempts, latency_us=took)
    ended = {
        State.cancelled: Reason.cancelled,
        State.expired: Reason.expired,
        State.expunged: Reason.expunged,
    }
    return Traits(state=state, reason=ended.get(state, Reason.filtered), attempts=attempts - 1)


@settings(deadline=None, max_examples=600)
@given(st.lists(TERMS, min_size=1, max_size=3, unique=True), traits())
def test_what_a_search_implies_is_true_of_all_it_finds(words: list[str], shown: Traits) -> None:
    terms = query(" ".join(words)).terms
    if not fit_of(terms, Names(), keys=DELIVERY_KEYS)(shown):
        return
    assert shown.state in meaning.states(terms)
    if meaning.tried(terms):
        assert shown.state not in (State.waiting, State.held)
    if meaning.failed(terms):
        assert shown.reason not in (None, Reason.delivered)
    if meaning.repeated(terms):
        assert shown.attempts > 1
    if meaning.slow(terms):
        assert shown.latency_us is not None
        assert shown.latency_us > meaning.SLOW_US
    reasons = meaning.reasons(terms)
    cut_off = meaning.cut_off(terms) and shown.http > 0 and shown.reason in meaning.CUT_OFF
    assert reasons is None or cut_off or shown.reason in reasons
