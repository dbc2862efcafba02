"""An event as a read gives it is what a delivery carries, with its place; data is untouched."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

import orjson

from hub.consumption import body
from hub.consumption.plan import Row
from hub.core import ids
from hub.eventlog import envelope

DAY = date(2026, 1, 1)
ID = ids.uuid7(1_767_225_600_000)


def row(**more: Any) -> Row:
    given = {
        "data": b'{"n":1.10}',
        "id": UUID(bytes=ID),
        "type": "order.made",
        "at": 1_767_225_600.25,
        **more,
    }
    return Row(shard=3, upto=0, day=DAY, kept=True, today=DAY, seq=12, **given)


def test_it_is_the_envelope_of_a_delivery_with_its_place_before_it() -> None:
    plain = envelope.body(
        text_id=ids.encode("evt", ID), type="order.made", timestamp=1_767_225_600.25, data=b'{"n":1.10}'
    )
    assert body.event(row()) == b'{"shard":3,"offset":12,' + plain[1:]


def test_whom_it_is_addressed_to_is_told() -> None:
    shown = orjson.loads(
        body.event(row(consumer="con_1", subject='o"1', source="shop", extensions='{"a":1}'))
    )
    assert shown == {
        "shard": 3, "offset": 12, "consumer": "con_1", "id": ids.encode("evt", ID), "type": "order.made",
        "timestamp": "2026-01-01T00:00:00.250000Z", "source": "shop", "subject": 'o"1', "extensions": {"a": 1},
        "data": {"n": 1.1},
    }  # fmt: skip


def test_several_are_an_array_and_no_digit_is_touched() -> None:
    raw = b'{"big":123456789012345678901234567890,"far":1e999}'
    joined = body.events([row(data=raw), row(data=b"null")])
    assert joined.startswith(b'[{"shard":3,')
    assert raw in joined
    assert joined.endswith(b'"data":null}]')
    assert body.events([]) == b"[]"
