"""The text of API keys."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.tenants import keys


@given(random=st.binary(min_size=32, max_size=32), kind=st.sampled_from(["live", "test"]))
def test_a_made_key_can_be_read_and_says_its_kind(random: bytes, kind: str) -> None:
    made = keys.make(kind=kind, random=random)
    assert keys.parse(made.text) == kind
    assert made.text.startswith(made.prefix)
    assert len(made.prefix) == len("tl_live_") + 6
    assert made.hash == sha256(made.text.encode()).digest()


@given(one=st.binary(min_size=32, max_size=32), other=st.binary(min_size=32, max_size=32))
def test_every_bit_of_randomness_is_in_the_text(one: bytes, other: bytes) -> None:
    texts = {keys.make(kind="live", random=random).text for random in (one, other)}
    assert len(texts) == len({one, other})


def test_the_text_is_not_in_the_representation() -> None:
    made = keys.make(kind="live", random=bytes(32))
    assert made.text not in repr(made)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tl_live_",
        "tl_prod_" + "A" * 43,
        "tl_live_" + "A" * 42,
        "tl_live_" + "-" * 43,
        "tl_live_" + "A" * 43 + "\n",
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(keys.BadKey, match="begins with tl_live_ or tl_test_"):
        keys.parse(text)


@pytest.mark.parametrize(("kind", "random"), [("prod", bytes(32)), ("live", bytes(31))])
def test_a_key_needs_a_kind_and_32_bytes(kind: str, random: bytes) -> None:
    with pytest.raises(ValueError, match="32 random bytes"):
        keys.make(kind=kind, random=random)
