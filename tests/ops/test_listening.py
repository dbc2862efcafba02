"""What `listen` makes of its options, and how it shows what came."""

from __future__ import annotations

import pytest

from hub.ops import listening
from hub.ops.receiver import Act, Behaviour, Received


def received(**more: object) -> Received:
    given: dict[str, object] = {
        "number": 1,
        "at": 0.25,
        "connection": 1,
        "method": "POST",
        "path": "/hook",
        "headers": {"webhook-id": "msg_1", "trunkline-attempt": "2"},
        "body": b'{"type":"order.created"}',
        "verified": True,
        "answered": "200",
    }
    return Received(**{**given, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "behaviour"),
    [
        ({}, Behaviour()),
        ({"fail": 503}, Behaviour.failing(503)),
        ({"fail_first": 3}, Behaviour.failing(500, first=3)),
        ({"fail": 502, "fail_first": 3}, Behaviour.failing(502, first=3)),
        ({"rate_limit": 7}, Behaviour.rate_limiting(7)),
        ({"hang": True}, Behaviour(act=Act.hang)),
        ({"reset": True}, Behaviour(act=Act.reset_after_reading)),
        ({"slow": True}, Behaviour(act=Act.slow_body)),
    ],
)
def test_an_option_is_a_behaviour(options: dict[str, object], behaviour: Behaviour) -> None:
    assert listening.behaviour_of(options) == behaviour


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"hang": True, "slow": True}, "Choose one of --hang and --slow"),
        ({"rate_limit": 1, "fail": 500}, "Choose one of --rate-limit and --fail"),
        ({"fail": 99}, "--fail takes a status from 200 to 599, not 99"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options: dict[str, object], told: str) -> None:
    with pytest.raises(listening.BadOptions, match=told):
        listening.behaviour_of(options)


@pytest.mark.parametrize(
    ("more", "end"),
    [
        ({}, "order.created  msg_1  attempt 2  signature verified  → 200"),
        ({"verified": False, "problem": "why not"}, "order.created  msg_1  attempt 2  why not  → 200"),
        ({"headers": {}, "verified": None, "problem": "no secret to verify with", "body": b"[1]"},
         "/hook  no webhook-id  POST  no secret to verify with  → 200"),
        ({"answered": "no answer"}, "signature verified  → no answer"),
        ({"body": b'{"type":"a\\u001b[31m\\n"}'}, "a\\x1b[31m\\n  msg_1  attempt 2  signature verified  → 200"),
    ],
)  # fmt: skip
def test_a_request_is_one_tidy_line(more: dict[str, object], end: str) -> None:
    line = listening.line(received(**more))
    assert line.endswith(end)
    assert "\n" not in line
    assert line[2] == line[5] == ":"


def test_a_body_is_shown_as_text_and_cut() -> None:
    assert listening.body(received(body=b"a\x1b[2J\n\xffb")) == "    a\\x1b[2J\n    �b"
    cut = listening.body(received(body=b"x" * 20_000)).splitlines()
    assert [len(cut), cut[1].strip()] == [2, "… and 3,616 bytes more"]


def test_types_may_be_given_in_both_ways() -> None:
    assert listening.patterns_of(["order.*, invoice.paid", "user.created"]) == [
        "order.*",
        "invoice.paid",
        "user.created",
    ]
    assert listening.patterns_of([]) == ["*"]


def test_a_refusal_is_told_with_its_errors() -> None:
    document = {
        "detail": "Some values are not valid.",
        "errors": [{"pointer": "/url", "detail": "must be https"}],
    }
    assert listening.refusal(422, document) == "Some values are not valid. /url: must be https"
    assert listening.refusal(502, None) == "HTTP 502"
