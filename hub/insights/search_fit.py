"""Does a delivery, or an event, answer to the terms of a search about columns and ids? The one judge, whatever driver found it.

It knows nothing of bodies and headers (search_match.py), and nothing of how rows are read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from hub.core import ids
from hub.delivery.outcome import Reason
from hub.delivery.states import State
from hub.insights.search_meaning import span
from hub.insights.search_terms import ID, Op, Term, Value
from hub.subscriptions.patterns import matches

EVENT_KEYS: Final = frozenset({"type", "subject"})
"""Keys that are answered by the event of a delivery alone; ids may be."""
DELIVERY_KEYS: Final = frozenset({"status", "sub", "code", "attempt", "latency", "consumer"})


class Traits(NamedTuple):
    """What is looked at. Of an event alone the first seven, `consumer` being whom it is addressed to; of a delivery
    `consumer` is whose subscription it went to. `http` 0: no answer. `latency_us` None: nothing was sent.
    """

    event: bytes = b""
    type: str = ""
    subject: str | None = None
    consumer: int | None = None
    consumer_id: str | None = None
    sub: int = 0
    sub_uid: str = ""
    run: int = 0
    state: State | None = None
    http: int = 0
    reason: Reason | None = None
    attempts: int = 0
    latency_us: int | None = None


@dataclass(frozen=True, slots=True)
class Names:
    """The numbers of subscriptions and consumers that the texts of terms stand for, within one scope."""

    subs: Mapping[Term, frozenset[int]] = field(default_factory=dict)
    consumers: Mapping[Term, frozenset[int]] = field(default_factory=dict)


Fit = Callable[[Traits], bool]


def fit_of(terms: Iterable[Term], names: Names, *, keys: Iterable[str]) -> Fit:
    """Whether traits answer to every term of these keys; terms of other keys are passed over."""
    wanted = frozenset(keys)
    tests = [(_test(term, names), term.negated) for term in terms if term.key in wanted]

    def holds(traits: Traits) -> bool:
        return all(test(traits) is not negated for test, negated in tests)

    return holds


def _test(term: Term, names: Names) -> Fit:
    values = term.values
    match term.key:
        case "status":
            states = {value.value for value in values}
            return lambda traits: traits.state in states
        case "type":
            patterns = [str(value.value) for value in values]
            return lambda traits: any(matches(pattern, traits.type) for pattern in patterns)
        case "subject":
            return lambda traits: any(_text_is(value, traits.subject) for value in values)
        case "sub":
            subs = names.subs[term]
            return lambda traits: traits.sub in subs
        case "consumer":
            return _consumer(term, names)
        case "code":
            return _code(values)
        case "attempt":
            spans = [span(value) for value in values]
            return lambda traits: any(least <= traits.attempts <= most for least, most in spans)
        case "latency":
            return _latency(values)
        case _:
            assert term.key == ID, term.key
            return _ids(values)


def _text_is(value: Value, text: str | None) -> bool:
    if text is None or value.op is Op.exists:
        return text is not None
    asked = str(value.value)
    return text.startswith(asked) if value.op is Op.prefix else text == asked


def _consumer(term: Term, names: Names) -> Fit:
    if any(value.op is Op.exists for value in term.values):
        return lambda traits: traits.consumer is not None
    consumers = names.consumers[term]
    return lambda traits: traits.consumer in consumers


def _code(values: Iterable[Value]) -> Fit:
    reasons = {value.value for value in values if isinstance(value.value, Reason)}
    spans = [span(value) for value in values if not isinstance(value.value, Reason)]
    return lambda traits: (
        traits.reason in reasons
        or (traits.http > 0 and any(least <= traits.http <= most for least, most in spans))
    )


def _latency(values: Iterable[Value]) -> Fit:
    spans = [span(value) for value in values]

    def holds(traits: Traits) -> bool:
        took = traits.latency_us
        return took is not None and any(least <= took <= most for least, most in spans)

    return holds


def _ids(values: Iterable[Value]) -> Fit:
    events: set[bytes] = set()
    messages: set[tuple[bytes, int]] = set()
    deliveries: set[tuple[bytes, int, int]] = set()
    uids: set[str] = set()
    for value in values:
        text = str(value.value)
        match text.partition("_")[0]:
            case "evt":
                events.add(ids.decode("evt", text))
            case "msg":
                messages.add(ids.parse_message_id(text))
            case "dlv":
                deliveries.add(ids.parse_delivery_id(text))
            case _:
                uids.add(text)
    return lambda t: (
        t.event in events
        or (t.event, t.sub) in messages
        or (t.event, t.sub, t.run) in deliveries
        or t.sub_uid in uids
        or t.consumer_id in uids
    )
