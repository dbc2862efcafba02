"""What may be set as an endpoint's authentication; the sentences never hold a value."""

from __future__ import annotations

from typing import Any

import pytest

from hub.core.oauth import Grant
from hub.subscriptions.auth import authorization, check_auth, grant

OAUTH2 = {
    "kind": "oauth2",
    "token_url": "https://auth.example.com/token",
    "client_id": "hub",
    "client_secret": "p4ss /+:",
}
FULL = {
    **OAUTH2,
    "scope": "hooks:write orders",
    "audience": "https://api.example.com",
    "resource": "urn:shop:hooks",
    "client_auth": "body",
}


@pytest.mark.parametrize(
    "value",
    [
        {"kind": "none"},
        {"kind": "basic", "username": "Aladdin", "password": ""},
        {"kind": "bearer", "token": "mF_9.B5f-4.1JqM=="},
        OAUTH2,
        FULL,
        {**OAUTH2, "client_auth": "basic"},
    ],
)
def test_each_kind_is_right_with_its_members(value: dict[str, str]) -> None:
    assert check_auth(value) == []


def without(name: str) -> dict[str, str]:
    return {key: value for key, value in OAUTH2.items() if key != name}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "must be an object whose kind is one of none, basic, bearer, oauth2"),
        ({"kind": "oauth1"}, "must be an object whose kind is one of none, basic, bearer, oauth2"),
        ({"kind": ["oauth2"]}, "must be an object whose kind is one of none, basic, bearer, oauth2"),
        ({"kind": "none", "token": "x"}, "token does not belong to none"),
        ({"kind": "basic", "username": "a:b", "password": "x"}, "username must not have a colon (RFC 7617)"),
        ({"kind": "bearer", "token": "a b"}, "token may hold letters, digits and - . _ ~ + / = only (RFC 6750)"),
        ({"kind": "bearer", "token": "x", "scope": "y"}, "scope does not belong to bearer"),
        (without("token_url"), "token_url is needed with oauth2"),
        (without("client_id"), "client_id is needed with oauth2"),
        (without("client_secret"), "client_secret is needed with oauth2"),
        ({**OAUTH2, "client_secret": ""}, "client_secret is needed with oauth2"),
        ({**OAUTH2, "client_id": 7}, "client_id is needed with oauth2"),
        ({**OAUTH2, "password": "x"}, "password does not belong to oauth2"),
        ({**OAUTH2, "scope": ""}, "scope must not be empty"),
        ({**OAUTH2, "scope": None}, "scope must not be empty"),
        ({**OAUTH2, "scope": "a  b"}, 'scope must be words with single spaces between, without " and \\ (RFC 6749 3.3)'),
        ({**OAUTH2, "scope": 'a"b'}, 'scope must be words with single spaces between, without " and \\ (RFC 6749 3.3)'),
        ({**OAUTH2, "client_secret": "gehéim"}, "client_secret may hold visible ASCII characters and spaces only (RFC 6749)"),
        ({**OAUTH2, "client_id": "a\r\nb"}, "client_id may hold visible ASCII characters and spaces only (RFC 6749)"),
        ({**OAUTH2, "client_secret": "x" * 2001}, "client_secret may have at most 2000 characters"),
        ({**OAUTH2, "resource": "no-uri"}, "resource must be an absolute URI without a fragment (RFC 8707)"),
        ({**OAUTH2, "resource": "https://a.example/#x"}, "resource must be an absolute URI without a fragment (RFC 8707)"),
        ({**OAUTH2, "resource": "https://[a"}, "resource must be an absolute URI without a fragment (RFC 8707)"),
        ({**OAUTH2, "client_auth": "header"}, "client_auth must be basic or body"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_by_name(value: Any, message: str) -> None:
    assert check_auth(value) == [message]


def test_only_what_never_changes_becomes_a_header_at_once() -> None:
    assert authorization(kind="oauth2", secret={"client_secret": "x"}) is None


def test_what_was_sealed_becomes_the_grant() -> None:
    stored = {name: value for name, value in FULL.items() if name != "kind"}
    assert grant(secret=stored) == Grant(**stored)
    assert (
        grant(secret={k: OAUTH2[k] for k in ("token_url", "client_id", "client_secret")}).client_auth
        == "basic"
    )
