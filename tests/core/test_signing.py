"""What is signed here verifies with the public library, and nothing malformed gets through or breaks out."""

from __future__ import annotations

import base64
import time

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from hub.core import signing
from hub.core.signing import BadSecret, Signer, new_keypair, new_secret, parse_secret, verify

BODY = '{"type":"order.paid","é":1}'.encode()
NOW = 1_700_000_000


def headers(signature: bytes, stamp: int | str = NOW) -> dict[str, str]:
    return {"webhook-id": "msg_1", "webhook-timestamp": str(stamp), "webhook-signature": signature.decode()}


def test_the_public_library_accepts_our_signature() -> None:
    secret, now = new_secret(), int(time.time())
    signed = Signer([secret]).sign("msg_1", now, BODY)
    assert Webhook(secret).verify(BODY, headers(signed, now)) == {"type": "order.paid", "é": 1}


def test_the_specification_s_example_gives_its_signature() -> None:
    signed = Signer(["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]).sign(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    assert signed == b"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(st.binary(min_size=24, max_size=64), st.binary(max_size=300))
def test_every_secret_and_body_agrees_with_verify(raw: bytes, body: bytes) -> None:
    secret = "whsec_" + base64.b64encode(raw).decode()
    verify(headers(Signer([secret]).sign("msg_1", NOW, body)), body, [secret], now=NOW)


def test_while_secrets_rotate_each_of_them_verifies() -> None:
    old, new = new_secret(), new_secret()
    private, public = new_keypair()
    signed = Signer([new, private, old]).sign("msg_1", NOW, BODY)
    assert [part.split(b",")[0] for part in signed.split(b" ")] == [b"v1", b"v1", b"v1a"]
    for key in (old, new, public, private):
        verify(headers(signed), BODY, [key], now=NOW)


def test_an_ed25519_signature_verifies_by_the_bare_algorithm() -> None:
    private, public = new_keypair()
    signed = Signer([private]).sign("msg_1", NOW, BODY)
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public.removeprefix("whpk_")))
    key.verify(base64.b64decode(signed.removeprefix(b"v1a,")), b"msg_1.%d." % NOW + BODY)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"webhook-id": ""}, signing.MissingHeader),
        ({"webhook-signature": ""}, signing.MissingHeader),
        ({"webhook-timestamp": "soon"}, signing.MalformedHeader),
        ({"webhook-timestamp": "\u0661\u0667"}, signing.MalformedHeader),
        ({"webhook-timestamp": "9" * 400}, signing.MalformedHeader),
        ({"webhook-timestamp": str(NOW - 301)}, signing.TimestampTooOld),
        ({"webhook-timestamp": str(NOW + 301)}, signing.TimestampTooNew),
        ({"webhook-timestamp": str(NOW + 1)}, signing.NoMatchingSignature),
        ({"webhook-id": "msg_2"}, signing.NoMatchingSignature),
        ({"webhook-id": "\ud800"}, signing.MalformedHeader),
        ({"webhook-signature": "v1"}, signing.NoMatchingSignature),
        ({"webhook-signature": "v1,*** v2,AAAA ,,, é,é v1,é v1a,AAAA"}, signing.NoMatchingSignature),
    ],
)
def test_what_is_wrong_is_refused_by_type(
    change: dict[str, str], error: type[signing.VerificationError]
) -> None:
    secret = new_secret()
    good = headers(Signer([secret]).sign("msg_1", NOW, BODY))
    verify(good, BODY, [secret], now=NOW)
    with pytest.raises(error):
        verify(good | change, BODY, [secret, new_keypair()[1]], now=NOW)


def test_another_body_or_secret_is_refused() -> None:
    secret = new_secret()
    good = headers(Signer([secret]).sign("msg_1", NOW, BODY))
    for body, key in ((BODY + b" ", secret), (BODY, new_secret()), (BODY, new_keypair()[1])):
        with pytest.raises(signing.NoMatchingSignature):
            verify(good, body, [key], now=NOW)


def test_header_names_may_have_any_case() -> None:
    secret = new_secret()
    good = headers(Signer([secret]).sign("msg_1", NOW, BODY))
    verify({name.title(): value for name, value in good.items()}, BODY, [secret], now=NOW)


@given(st.dictionaries(st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]), st.text()))
def test_malformed_headers_end_in_a_verification_error(found: dict[str, str]) -> None:
    with pytest.raises(signing.VerificationError):
        verify(found, BODY, [new_secret()], now=NOW)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abc",
        "whsec_",
        "whsec_!",
        "whsec_QUJD",
        "whsk_QUJD",
        "whpk_QUJD",
        "secret_QUJD",
        "whsec_" + "QUJD" * 22,
    ],
)
def test_a_bad_secret_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(BadSecret) as caught:
        parse_secret(text)
    assert "QUJD" not in str(caught.value)


def test_secrets_have_24_to_64_bytes() -> None:
    assert [len(parse_secret(new_secret(size)).raw) for size in (24, 32, 64)] == [24, 32, 64]
    for size in (23, 65):
        with pytest.raises(BadSecret):
            new_secret(size)


def test_a_signer_needs_secrets_that_sign() -> None:
    with pytest.raises(BadSecret, match="at least one"):
        Signer([])
    with pytest.raises(BadSecret, match="can only verify"):
        Signer([new_keypair()[1]])


def test_a_secret_does_not_show() -> None:
    assert "raw" not in repr(parse_secret(new_secret()))
