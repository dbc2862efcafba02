"""Sealed secrets open only in their place, with their key, and say what to do otherwise."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core import sealing
from hub.core.sealing import BadKeyring, Keyring

OLD, NEW = (base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2))
RING = Keyring.from_text(f"k2:{NEW}, k1:{OLD}")
PLACE = b"subscription:17:secret"


@given(st.binary(max_size=200))
def test_what_is_sealed_can_be_opened(plain: bytes) -> None:
    assert RING.open(RING.seal(plain, context=PLACE), context=PLACE) == plain


def test_two_tokens_of_one_secret_differ() -> None:
    assert RING.seal(b"x", context=PLACE) != RING.seal(b"x", context=PLACE)


def test_an_older_key_still_opens_and_asks_for_rotation() -> None:
    token = Keyring.from_text(f"k1:{OLD}").seal(b"x", context=PLACE)
    assert RING.open(token, context=PLACE) == b"x"
    assert RING.needs_rotation(token)
    assert not RING.needs_rotation(RING.seal(b"x", context=PLACE))
    anew = RING.reseal(token, context=PLACE)
    assert (sealing.key_of(token), sealing.key_of(anew)) == ("k1", "k2")
    assert Keyring.from_text(f"k2:{NEW}").open(anew, context=PLACE) == b"x"
    with pytest.raises(sealing.ForeignToken):
        RING.reseal(token, context=b"subscription:18:secret")


def test_a_token_does_not_open_in_another_place() -> None:
    with pytest.raises(sealing.ForeignToken, match="another record"):
        RING.open(RING.seal(b"x", context=PLACE), context=b"subscription:18:secret")


def test_a_changed_token_does_not_open() -> None:
    token = RING.seal(b"secret", context=PLACE)
    changed = token[:-3] + ("AAA" if token[-3:] != "AAA" else "BBB")
    with pytest.raises(sealing.SealError):
        RING.open(changed, context=PLACE)


def test_a_token_renamed_to_another_key_does_not_open() -> None:
    with pytest.raises(sealing.ForeignToken):
        RING.open(RING.seal(b"x", context=PLACE).replace("k2", "k1"), context=PLACE)


def test_an_unknown_key_is_named() -> None:
    token = Keyring.from_text(f"gone:{OLD}").seal(b"x", context=PLACE)
    with pytest.raises(sealing.UnknownKey, match="'gone'"):
        RING.open(token, context=PLACE)


@pytest.mark.parametrize(
    "token", ["", "x", "s1.k2", "s1.k2.", "s1.k2.AAAA", "s1.k2.*", "s9.k2.AAAA", "s1.é.A"]
)
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(sealing.MalformedToken):
        RING.open(token, context=PLACE)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "empty"),
        ("k1", "key 1 must read id:base64key"),
        (f"k 1:{OLD}", "key 1 must read"),
        (f"k1:{OLD},k1:{NEW}", "'k1' occurs twice"),
        ("k1:***", "'k1' is not base64"),
        ("k1:QUJD", "'k1' has 3 bytes, but needs 32"),
    ],
)
def test_a_wrong_keyring_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(BadKeyring, match=sentence):
        Keyring.from_text(text)


def test_keys_do_not_show() -> None:
    assert NEW not in repr(RING)
