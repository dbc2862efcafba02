"""Ids are ordered, reversible and have one spelling each."""

from __future__ import annotations

import threading
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core import ids

EVENT = bytes(range(16))


def test_ids_ascend_within_the_process() -> None:
    made = [ids.uuid7() for _ in range(20_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_ids_of_several_threads_differ() -> None:
    made: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: made.extend([ids.uuid7() for _ in range(5_000)])) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 20_000


def test_an_id_is_a_valid_uuid_of_version_7() -> None:
    made = uuid.UUID(bytes=ids.uuid7(1_700_000_000_123))
    assert (made.version, made.variant) == (7, uuid.RFC_4122)


def test_the_given_millisecond_can_be_read_back_even_when_it_is_older() -> None:
    for ms in (1_700_000_000_123, 5, 1_800_000_000_000, 5):
        raw = ids.uuid7(ms)
        assert ids.uuid7_ms(raw) == ms
        assert ids.uuid7_floor(ms) <= raw < ids.uuid7_floor(ms + 1)


def test_ids_of_one_given_millisecond_ascend() -> None:
    made = [ids.uuid7(9_000) for _ in range(500)]
    assert made == sorted(set(made))


def test_a_type_id_has_the_published_spelling() -> None:
    # The example of the TypeID specification.
    raw = uuid.UUID("01890a5d-ac96-774b-bcce-b302099a8057").bytes
    assert ids.encode("prefix", raw) == "prefix_01h455vb4pex5vsknk084sn02q"


@given(st.binary(min_size=16, max_size=16))
def test_text_can_be_read_back(raw: bytes) -> None:
    assert ids.decode("evt", ids.encode("evt", raw)) == raw


@given(
    st.binary(min_size=16, max_size=16),
    st.integers(0, ids.LARGEST),
    st.integers(0, ids.LARGEST),
)
def test_a_delivery_id_can_be_read_back(event: bytes, subscription: int, run: int) -> None:
    assert ids.parse_delivery_id(ids.delivery_id(event, subscription, run)) == (event, subscription, run)
    assert ids.parse_message_id(ids.message_id(event, subscription)) == (event, subscription)


def test_run_0_is_the_short_form() -> None:
    assert ids.delivery_id(EVENT, 17, 0) == ids.encode("dlv", EVENT) + "h"
    assert ids.delivery_id(EVENT, 17, 33) == ids.encode("dlv", EVENT) + "h_11"


def test_a_message_id_can_be_made_of_its_prepared_halves() -> None:
    made = ids.message_id_prefix(EVENT) + ids.subscription_suffix(70_000)
    assert made == ids.message_id(EVENT, 70_000)


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused_and_nothing_else(text: str) -> None:
    for candidate in (text, "dlv_" + text, "dlv_" + "0" * 26 + text):
        try:
            event, subscription, run = ids.parse_delivery_id(candidate)
        except ids.BadId:
            continue
        assert ids.delivery_id(event, subscription, run) == candidate


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("sub_00000000000000000000000000", "must begin with evt_"),
        ("evt_0000", "has 4 characters after evt_, but needs 26"),
        ("evt_0000000000000000000000000u", "has 'u' in it"),
        ("evt_0000000000000000000000000A", "has 'A' in it"),
        ("evt_80000000000000000000000000", "more or less than 128 bits"),
    ],
)
def test_a_wrong_id_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ids.BadId, match=sentence):
        ids.decode("evt", text)


@pytest.mark.parametrize("ending", ["", "01", "h_", "h_0", "h_01", "zzzzzzzzzzzzz", "h_1_1", "_1"])
def test_a_wrong_end_of_a_delivery_id_is_refused(ending: str) -> None:
    with pytest.raises(ids.BadId):
        ids.parse_delivery_id(ids.encode("dlv", EVENT) + ending)


@pytest.mark.parametrize("number", [-1, ids.LARGEST + 1])
def test_a_number_out_of_range_is_refused(number: int) -> None:
    with pytest.raises(ids.BadId, match="use 0 to"):
        ids.message_id(EVENT, number)


def test_an_event_of_another_size_is_refused() -> None:
    with pytest.raises(ids.BadId, match="16 bytes, not 3"):
        ids.encode("evt", b"abc")


def test_new_ids_carry_their_prefix() -> None:
    assert len(ids.decode("key", ids.new_id("key"))) == 16
