"""The body an endpoint receives."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from hub.eventlog import envelope

AT = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC).timestamp()


def test_the_senders_bytes_stand_in_it_untouched() -> None:
    body = envelope.body(text_id="evt_1", type="a.b", timestamp=AT, data=b'{ "n" : 1.10 }')
    assert (
        body == b'{"id":"evt_1","type":"a.b","timestamp":"2026-01-02T03:04:05.000678Z","data":{ "n" : 1.10 }}'
    )


def test_a_whole_second_has_its_microseconds_too() -> None:
    body = envelope.body(text_id="evt_1", type="a.b", timestamp=float(int(AT)), data=b"1")
    assert json.loads(body)["timestamp"] == "2026-01-02T03:04:05.000000Z"


def test_what_is_given_is_told() -> None:
    body = envelope.body(
        text_id="e", type="a.b", timestamp=AT, data=b"1", source='s"x', subject="ü", extensions='{"rank":7}'
    )
    assert json.loads(body) == {
        "id": "e", "type": "a.b", "timestamp": "2026-01-02T03:04:05.000678Z", "source": 's"x', "subject": "ü",
        "extensions": {"rank": 7}, "data": 1,
    }  # fmt: skip
