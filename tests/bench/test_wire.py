"""The generator's ready-made requests: whole, of one length, and different where they must be."""

from __future__ import annotations

import json
import random

import pytest

from bench.wire import Shape, template

NOW = 1_790_000_000_123_456_789


def request(shape: Shape, number: int = 7) -> tuple[str, bytes]:
    built = template(shape=shape, host="127.0.0.1:1", key="tl_live_x", name=3, random=random.Random(1))
    head, _, body = built.fill(NOW, number).partition(b"\r\n\r\n")
    return head.decode(), body


@pytest.mark.parametrize(
    "shape", [Shape("a.b"), Shape("a.b", 600), Shape("a.b", 1024, 100), Shape("a.b", idempotency="s")]
)
def test_the_content_length_is_that_of_the_body(shape: Shape) -> None:
    head, body = request(shape)
    assert f"content-length: {len(body)}" in head
    json.loads(body)


@pytest.mark.parametrize("shape", [Shape("a.b"), Shape("a.b", idempotency="seed")])
def test_a_single_event_has_exactly_the_bytes_asked_for(shape: Shape) -> None:
    assert len(request(shape)[1]) == 1024


def test_the_time_is_in_every_event_of_a_batch() -> None:
    events = json.loads(request(Shape("a.b", 300, 4))[1])["events"]
    assert [event["data"]["t"] for event in events] == [NOW] * 4
    assert len({event["data"]["pad"] for event in events}) == 4


def test_each_request_has_its_own_idempotency_key() -> None:
    keys = [json.loads(request(Shape("a.b", idempotency="s"), n)[1])["idempotency_key"] for n in (1, 2)]
    assert keys == ["s-3-000000000001", "s-3-000000000002"]


def test_batches_with_idempotency_keys_are_refused() -> None:
    with pytest.raises(ValueError, match="leave out"):
        request(Shape("a.b", 300, 4, "s"))
