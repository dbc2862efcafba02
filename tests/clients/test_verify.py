"""Verifying a delivery: what is trusted, what is refused by which error, and that no other error gets out."""

from __future__ import annotations

import subprocess
import sys
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
import trunkline_consumer as kit
from hypothesis import given, settings
from hypothesis import strategies as st
from trunkline_consumer import Verifier

from hub.core.signing import Signer, new_keypair
from tests.clients.signing import SECRET, request

KIT = Path(kit.__file__).parent.parent
NOW = 1_767_268_800
OTHER = "whsec_" + "b3RoZXIgc2VjcmV0IG9mIHRoZSB0ZXN0cyBoZXJl"
BODY, HEADERS = request({"total": 10.0}, id="msg_1", stamp=NOW)


def test_a_delivery_says_what_came() -> None:
    found = Verifier(SECRET).verify(
        BODY, {**HEADERS, "trunkline-attempt": "2", "trunkline-run": "7"}, now=NOW
    )
    assert (found.id, found.event, found.type, found.data) == (
        "msg_1",
        "evt_1",
        "order.created",
        {"total": 10.0},
    )
    assert (found.timestamp, found.occurred) == (NOW, "2026-01-01T12:00:00.000000Z")
    assert (found.attempt, found.run, found.subject, found.source) == (2, 7, None, None)
    assert found.body == BODY


def test_a_delivery_does_not_show_its_body_and_does_not_change() -> None:
    found = Verifier(SECRET).verify(BODY, HEADERS, now=NOW)
    assert "body" not in repr(found)
    with pytest.raises(AttributeError):
        found.id = "msg_2"  # type: ignore[misc]


def _message() -> Message:
    made = Message()
    for name, value in HEADERS.items():
        made[name.title()] = value
    return made


@pytest.mark.parametrize(
    "headers",
    [
        {name.upper(): value for name, value in HEADERS.items()},
        {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in HEADERS.items()}
        | {"wsgi.input": 1},
        _message(),
        {**HEADERS, "Webhook-Id": HEADERS["webhook-id"]},
    ],
    ids=["in capitals", "of WSGI", "of http.server", "the same one twice"],
)
def test_headers_are_taken_as_servers_give_them(headers: Any) -> None:
    assert Verifier(SECRET).verify(BODY, headers, now=NOW).id == "msg_1"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"webhook-id": ""}, kit.MissingHeader),
        ({"webhook-timestamp": "soon"}, kit.MalformedHeader),
        ({"webhook-timestamp": "\u0661"}, kit.MalformedHeader),
        ({"webhook-timestamp": f" {NOW}"}, kit.MalformedHeader),
        ({"webhook-timestamp": f"{NOW}\n"}, kit.MalformedHeader),
        ({"webhook-timestamp": str(NOW - 301)}, kit.TimestampTooOld),
        ({"webhook-timestamp": str(NOW + 301)}, kit.TimestampTooNew),
        ({"webhook-id": "msg_2"}, kit.NoMatchingSignature),
        ({"webhook-id": "\ud800"}, kit.MalformedHeader),
        ({"webhook-id": "m" * 257}, kit.MalformedHeader),
        ({"webhook-id": "msg 1"}, kit.MalformedHeader),
        ({"webhook-id": b"msg_1"}, kit.MalformedHeader),
        ({"Webhook-Id": "msg_2"}, kit.MalformedHeader),
        ({"HTTP_WEBHOOK_ID": "msg_2"}, kit.MalformedHeader),
        ({"webhook-signature": "v1"}, kit.MalformedHeader),
        ({"webhook-signature": "v1,é"}, kit.MalformedHeader),
        ({"webhook-signature": ",,, ,"}, kit.MalformedHeader),
        ({"webhook-signature": "v2,AAAA"}, kit.NoMatchingSignature),
        ({"webhook-signature": "v1,"}, kit.NoMatchingSignature),
        ({"webhook-signature": "v1,*** v1,AAAA v1a,AAAA"}, kit.NoMatchingSignature),
        ({"webhook-signature": "v1,AAAA " * 32 + HEADERS["webhook-signature"]}, kit.NoMatchingSignature),
        ({"trunkline-attempt": "first"}, kit.MalformedHeader),
        ({"trunkline-run": "-1"}, kit.MalformedHeader),
    ],
)
def test_what_is_wrong_is_refused_by_type(change: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error) as refusal:
        Verifier(SECRET).verify(BODY, {**HEADERS, **change}, now=NOW)
    assert isinstance(refusal.value, kit.VerificationError)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"\xff", b"null", b"[]", b"{}", b"[" * 100_000, b"1" * 10_000,
        b'{"id":1,"type":"a","timestamp":"t","data":1}',
        b'{"id":"evt_1","type":"a","timestamp":"t"}',
        b'{"id":"evt_1","type":"a","timestamp":"t","data":1,"subject":2}',
        '{"id":"evt_1","type":"a","timestamp":"t","data":1}'.encode("utf-16"),
    ],
)  # fmt: skip
def test_a_signed_body_that_is_no_event_is_refused_by_type(body: bytes) -> None:
    signature = Signer([SECRET]).sign("msg_1", NOW, body).decode()
    with pytest.raises(kit.MalformedBody):
        Verifier(SECRET).verify(body, {**HEADERS, "webhook-signature": signature}, now=NOW)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([*HEADERS, "trunkline-attempt", "HTTP_WEBHOOK_ID"]), st.text() | st.binary()
    ),
    st.binary(max_size=40),
)
def test_nothing_that_is_sent_breaks_out(headers: dict[str, Any], body: bytes) -> None:
    with pytest.raises(kit.VerificationError):
        Verifier([SECRET, OTHER]).verify(body, {**HEADERS, **headers}, now=NOW)


@pytest.mark.parametrize(
    "secrets",
    [
        (), "", "whsec_", "whsec_***", "whsec_AAAA", "whsec_" + "A" * 88, "AAAA", "WHSEC_" + "A" * 32, f"{SECRET}\n",
        "whpk_AAAA", "whpk_é", "whsk_" + "A" * 43, [SECRET, "x"], [None], [b"whsec_"],
    ],
)  # fmt: skip
def test_a_secret_that_cannot_be_used_is_refused_at_once_and_not_shown(secrets: Any) -> None:
    with pytest.raises(kit.BadSecret) as refusal:
        Verifier(secrets)
    assert "AAAA" not in str(refusal.value)
    assert isinstance(refusal.value, kit.WebhookError)


def test_the_tolerance_can_be_chosen() -> None:
    with pytest.raises(kit.TimestampTooOld):
        Verifier(SECRET, tolerance_s=10).verify(BODY, HEADERS, now=NOW + 11)
    assert Verifier(SECRET, tolerance_s=600).verify(BODY, HEADERS, now=NOW + 500)


def test_the_clock_is_read_where_none_is_given() -> None:
    with pytest.raises(kit.TimestampTooOld):
        Verifier(SECRET).verify(BODY, HEADERS)
    assert Verifier(SECRET).verify(*request())


@pytest.mark.parametrize("body", ["{}", {"id": "evt_1"}, None])
def test_a_body_that_was_parsed_already_is_the_callers_mistake(body: Any) -> None:
    with pytest.raises(TypeError, match="as they came"):
        Verifier(SECRET).verify(body, HEADERS, now=NOW)


def test_a_public_key_and_a_secret_can_be_known_at_once() -> None:
    private, public = new_keypair()
    signature = Signer([private]).sign("msg_1", NOW, BODY).decode()
    verifier = Verifier([OTHER, public])
    assert verifier.verify(BODY, {**HEADERS, "webhook-signature": signature}, now=NOW).id == "msg_1"
    with pytest.raises(kit.NoMatchingSignature):
        verifier.verify(BODY, HEADERS, now=NOW)


ALONE = """
import sys
before = set(sys.modules)
sys.modules["cryptography"] = None
import trunkline_consumer
try:
    trunkline_consumer.Verifier("whpk_" + "A" * 43)
except trunkline_consumer.BadSecret as refusal:
    assert "trunkline-consumer[ed25519]" in str(refusal)
brought = {name.partition(".")[0] for name in set(sys.modules) - before} - {"cryptography", "trunkline_consumer"}
print(*sorted(brought - sys.stdlib_module_names))
"""


def test_the_core_needs_the_standard_library_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-c", ALONE],
        env={"PYTHONPATH": str(KIT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == []
