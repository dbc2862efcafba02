"""What a sink keeps and answers, by tables: credentials stay out, sizes are bounded, signatures are judged."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hub.core import ids
from hub.core.signing import Signer, new_keypair, new_secret
from hub.sinks import catching, policy
from hub.sinks.catching import Request

NOW = 1_800_000_000.0
SECRET = new_secret()


def request(body: bytes = b"{}", headers: Any = (), **more: Any) -> Request:
    return Request("t" * 32, "http", "POST", "", list(headers), body, **more)


def signed(secret: str = SECRET, body: bytes = b"{}", at: float = NOW) -> Request:
    name = ids.message_id(ids.uuid7(), 5)
    signature = Signer([secret]).sign(name, int(at), body).decode()
    headers = [("webhook-id", name), ("webhook-timestamp", str(int(at))), ("Webhook-Signature", signature)]
    return request(body, headers)


def kept(one: Request) -> dict[str, Any]:
    row = catching.row(one, environment=1, signature="")
    return {**row, "headers": [tuple(pair) for pair in json.loads(row["headers"])]}


def test_a_signature_is_judged_by_the_secrets_there_are() -> None:
    assert catching.judge(signed(), [SECRET], now=NOW) == "verified"
    assert catching.judge(signed(), [new_secret(), SECRET], now=NOW) == "verified"
    assert catching.judge(signed(), [new_secret()], now=NOW) == "wrong"
    assert catching.judge(signed(), [SECRET], now=NOW + 301) == "wrong"
    assert catching.judge(request(), [SECRET], now=NOW) == "wrong"
    assert catching.judge(signed(), [], now=NOW) == ""
    private, _ = new_keypair()
    assert catching.judge(signed(private), [private], now=NOW) == "verified"


def test_credentials_and_sealed_headers_leave_their_names_alone() -> None:
    one = request(
        headers=[
            ("Authorization", "Bearer s3cret"),
            ("cookie", "s3cret"),
            ("X-Team", "s3cret"),
            ("x-b", "b"),
        ],
        hidden=("x-team",),
    )
    found = kept(one)
    assert found["headers"] == [
        ("Authorization", "(hidden)"),
        ("cookie", "(hidden)"),
        ("X-Team", "(hidden)"),
        ("x-b", "b"),
    ]
    assert "s3cret" not in str(found)


@pytest.mark.parametrize(
    ("one", "size", "body", "headers", "truncated"),
    [
        (request(b"x" * 65_536), 65_536, 65_536, 0, False),
        (request(b"x" * 65_537), 65_537, 65_536, 0, True),
        (request(headers=[(f"x-{n}", "v") for n in range(64)]), 2, 2, 64, False),
        (request(headers=[(f"x-{n}", "v") for n in range(65)]), 2, 2, 64, True),
        (request(headers=[("x-a", "v"), ("x-b", "v" * 16_384), ("x-c", "v")]), 2, 2, 1, True),
    ],
)
def test_what_is_kept_is_bounded_and_says_so(
    one: Request, size: int, body: int, headers: int, truncated: bool
) -> None:
    found = kept(one)
    assert (found["size"], len(found["body"]), len(found["headers"]), found["truncated"]) == (
        size, body, headers, truncated,
    )  # fmt: skip


def test_what_postgresql_could_not_hold_is_made_harmless() -> None:
    found = kept(request(b"\x00", [("x", "a\x00b\ud800")], hidden=()))
    assert found["headers"] == [("x", "a\ufffdb?")]
    assert found["body"] == b"\x00"


@pytest.mark.parametrize("text", ["", "msg_x", "evt_" + "0" * 26, "msg_" + "0" * 26 + "5" * 70, "\x00"])
def test_a_webhook_id_of_another_form_names_no_event(text: str) -> None:
    assert kept(request(headers=[("webhook-id", text)]))["message_id"] == ""


def test_it_answers_as_it_was_told() -> None:
    respond = policy.stored(
        {"status": 503, "body": "später", "headers": {"Retry-After": "3"}, "latency_ms": 250}
    )
    told = catching.answer((respond, True))
    assert (told.status, told.body, told.latency_s) == (503, "später".encode(), 0.25)
    assert dict(told.headers) == {"content-type": "text/plain; charset=utf-8", "Retry-After": "3"}
    plain = catching.answer((policy.stored({}), True))
    assert (plain.status, plain.body, plain.headers, plain.latency_s) == (200, b"", (), 0.0)


def test_what_it_refuses_is_a_problem() -> None:
    for told, status, code in (
        (catching.answer(None), 404, "not-found"),
        (catching.answer((policy.stored({}), False)), 429, "rate-limited"),
        (catching.too_large(), 413, "payload-too-large"),
    ):
        body = json.loads(told.body)
        assert (told.status, body["status"], body["code"]) == (status, status, code)
        assert dict(told.headers)["content-type"] == "application/problem+json"
    assert dict(catching.answer((policy.stored({}), False)).headers)["Retry-After"] == "5"


@pytest.mark.parametrize(
    ("value", "member"),
    [
        ([], ""),
        ({"delay": 1}, "delay"),
        ({"status": 199}, "status"),
        ({"status": 600}, "status"),
        ({"status": True}, "status"),
        ({"latency_ms": 60_001}, "latency_ms"),
        ({"latency_ms": -1}, "latency_ms"),
        ({"body": "x" * 4_097}, "body"),
        ({"body": "ü" * 2_049}, "body"),
        ({"body": "a\x00"}, "body"),
        ({"status": 204, "body": "x"}, "body"),
        ({"headers": {"Set-Cookie": "a=b"}}, "headers"),
        ({"headers": {"Content-Type": "text/html"}}, "headers"),
        ({"headers": {"Location": "https://a.example"}}, "headers"),
        ({"headers": {"X-A": "a\r\nSet-Cookie: b"}}, "headers"),
        ({"headers": {"X-A\r\n": "a"}}, "headers"),
        ({"headers": {"X-A": "ü"}}, "headers"),
        ({"headers": {"X-A": ""}}, "headers"),
        ({"headers": {"X-A": "1", "x-a": "2"}}, "headers"),
        ({"headers": {f"X-{n}": "a" for n in range(11)}}, "headers"),
        ({"headers": []}, "headers"),
    ],
)
def test_an_answer_that_would_act_for_the_hub_is_refused(value: Any, member: str) -> None:
    assert [found for found, _ in policy.check_respond(value)] == [member]


def test_an_answer_of_every_member_is_right() -> None:
    headers = {"Retry-After": "1", "X-Rate-Limit": "a b"}
    assert (
        policy.check_respond({"status": 599, "body": "x" * 4096, "headers": headers, "latency_ms": 60_000})
        == []
    )
    assert policy.check_respond({}) == []
