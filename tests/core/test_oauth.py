"""What is asked of a token server, what its answers are worth, and that no sentence about them holds a secret."""

from __future__ import annotations

import json
from base64 import b64decode
from urllib.parse import parse_qs, unquote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.oauth import (
    DEFAULT_LIFETIME_S,
    LONGEST_LIFETIME_S,
    MAX_TOKEN,
    BadAnswer,
    Grant,
    asked_wait,
    pause_after,
    read_answer,
    usable_for,
)

SECRET = "p: ä&=+%/s3cret"
GRANT = Grant("https://auth.example.com/token", "my hub", SECRET)


def answer(status: int = 200, **members: object) -> tuple[int, bytes]:
    return status, json.dumps(
        {"access_token": "2YotnFZFEjr1zCsicMWpAA", "token_type": "Bearer", **members}
    ).encode()


def test_credentials_go_in_a_basic_header_each_encoded_before() -> None:
    headers, body = GRANT.request()
    assert dict(headers)["content-type"] == "application/x-www-form-urlencoded"
    assert body == b"grant_type=client_credentials"
    pair = b64decode(dict(headers)["authorization"].removeprefix("Basic ")).decode("ascii")
    assert [unquote_plus(part) for part in pair.split(":")] == ["my hub", SECRET]


def test_or_in_the_body_with_all_that_was_set() -> None:
    grant = Grant("https://a.example/", "id", SECRET, "a b", "aud&ience", "https://api.example.com/", "body")
    headers, body = grant.request()
    assert "authorization" not in dict(headers)
    assert {name: value for name, (value,) in parse_qs(body.decode("ascii")).items()} == {
        "grant_type": "client_credentials", "scope": "a b", "audience": "aud&ience",
        "resource": "https://api.example.com/", "client_id": "id", "client_secret": SECRET,
    }  # fmt: skip


def test_a_grant_and_a_token_show_no_secret() -> None:
    status, body = answer()
    token = read_answer(status=status, body=body, truncated=False)
    assert SECRET not in repr(GRANT)
    assert token.value not in repr(token)


@pytest.mark.parametrize(
    ("members", "usable_s"),
    [
        ({"expires_in": 3600}, 3570),
        ({"expires_in": "3600"}, 3570),
        ({"expires_in": 3600.5}, 3570.5),
        ({"expires_in": 300}, 270),
        ({"expires_in": 100}, 90),
        ({"expires_in": 2}, 1.8),
        ({"expires_in": 1}, 1.0),
        ({"expires_in": 0}, 1.0),
        ({}, DEFAULT_LIFETIME_S - 30),
        ({"expires_in": None}, DEFAULT_LIFETIME_S - 30),
        ({"expires_in": -5}, DEFAULT_LIFETIME_S - 30),
        ({"expires_in": True}, DEFAULT_LIFETIME_S - 30),
        ({"expires_in": "soon"}, DEFAULT_LIFETIME_S - 30),
        ({"expires_in": [1]}, DEFAULT_LIFETIME_S - 30),
        ({"expires_in": 10**30}, LONGEST_LIFETIME_S - 30),
        ({"token_type": "bearer"}, DEFAULT_LIFETIME_S - 30),
        ({"token_type": "BEARER", "refresh_token": "x", "scope": "less"}, DEFAULT_LIFETIME_S - 30),
    ],
)
def test_a_token_is_used_until_shortly_before_its_end(members: dict[str, object], usable_s: float) -> None:
    status, body = answer(**members)
    token = read_answer(status=status, body=body, truncated=False)
    assert (token.value, token.usable_s) == ("2YotnFZFEjr1zCsicMWpAA", pytest.approx(usable_s))


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (*answer(400, error="invalid_scope"), "answered 400, invalid_scope"),
        (*answer(401, error="invalid_client"), "answered 401, invalid_client"),
        (*answer(401, error=SECRET), "answered 401"),
        (*answer(400, error=["invalid_scope"]), "answered 400"),
        (503, b"<html>down</html>", "answered 503"),
        (500, b"[1]", "answered 500"),
        (302, b"", "answered with a redirect (302), which is never followed"),
        (200, b"", "something else than a JSON object"),
        (200, b"access_token=x&token_type=bearer", "something else than a JSON object"),
        (200, b'["x"]', "something else than a JSON object"),
        (200, b"[" * 100_000, "something else than a JSON object"),
        (200, b"\xff\xfe", "something else than a JSON object"),
        (204, b"", "something else than a JSON object"),
        (*answer(token_type="mac"), "another type than bearer"),
        (*answer(token_type=7), "another type than bearer"),
        (*answer(access_token=None), "without an access_token"),
        (*answer(access_token=""), "without an access_token"),
        (*answer(access_token={"a": 1}), "without an access_token"),
        (*answer(access_token="a\r\nX-Evil: 1"), "that no header can carry"),
        (*answer(access_token="a b"), "that no header can carry"),
        (*answer(access_token="tökén"), "that no header can carry"),
        (*answer(access_token="x" * (MAX_TOKEN + 1)), "that no header can carry"),
    ],
)  # fmt: skip
def test_an_answer_without_a_usable_token_says_what_it_was(status: int, body: bytes, words: str) -> None:
    with pytest.raises(BadAnswer) as caught:
        read_answer(status=status, body=body, truncated=False)
    assert words in str(caught.value)
    assert SECRET not in str(caught.value)
    assert "Evil" not in str(caught.value)


def test_an_answer_that_was_cut_is_no_token() -> None:
    status, body = answer()
    with pytest.raises(BadAnswer, match="sensible size"):
        read_answer(status=status, body=body, truncated=True)


@given(st.integers(100, 599), st.binary(max_size=200) | st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["access_token", "token_type", "expires_in", "error"]), inner, max_size=4),
    max_leaves=6).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_no_answer_does_anything_but_give_a_token_or_a_reason(status: int, body: bytes) -> None:
    try:
        token = read_answer(status=status, body=body, truncated=False)
    except BadAnswer:
        return
    assert 200 <= status < 300
    assert token.value.isascii()
    assert 1.0 <= token.usable_s <= LONGEST_LIFETIME_S


@given(st.none() | st.floats(0, 1e12))
def test_no_lifetime_makes_a_token_last_for_ever_or_not_at_all(lifetime: float | None) -> None:
    assert 1.0 <= usable_for(lifetime) <= LONGEST_LIFETIME_S


def test_a_token_server_that_fails_is_spared_longer_each_time() -> None:
    assert [pause_after(n, asked_s=None, random=0.0) for n in range(1, 9)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert [pause_after(n, asked_s=None, random=0.5) for n in (1, 2, 100)] == [0.75, 1.5, 45]
    assert pause_after(1, asked_s=120.0, random=0.0) == 120
    assert pause_after(1, asked_s=1e9, random=0.0) == 300
    assert pause_after(7, asked_s=1.0, random=0.0) == 60


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(None, None), (b"", None), (b"7", 7.0), (b" 7 ", 7.0), (b"-1", None), (b"soon", None), (b"\xff", None),
     (b"Sun, 06 Nov 1994 08:49:37 GMT", None), (b"9" * 30, None)],
)  # fmt: skip
def test_retry_after_is_understood_in_seconds(value: bytes | None, seconds: float | None) -> None:
    assert asked_wait(value) == seconds
