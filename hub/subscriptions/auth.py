"""How the hub authenticates at an endpoint: what may be set, and the Authorization header or the grant it becomes.

It stores nothing and fetches nothing.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from hub.core.oauth import Grant

# Of each kind the members it needs, and those it may have.
KINDS: Final[Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "none": ((), ()),
    "basic": (("username", "password"), ()),
    "bearer": (("token",), ()),
    "oauth2": (("token_url", "client_id", "client_secret"), ("scope", "audience", "resource", "client_auth")),
}
CLIENT_AUTHS: Final = ("basic", "body")
LONGEST: Final[Mapping[str, int]] = {
    "username": 200,
    "password": 500,
    "token": 4000,
    "token_url": 2048,
    "client_id": 500,
    "client_secret": 2000,
    "scope": 2000,
    "audience": 2000,
    "resource": 2000,
}
_BEARER = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_PRINTABLE = re.compile(r"[\x20-\x7e\xa0-\xff]*")
# RFC 6749, appendix A: what all of a grant's members may hold, and how scopes are told apart.
_VISIBLE = re.compile(r"[\x20-\x7e]+")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*")


def check_auth(value: object) -> list[str]:
    """What is wrong with it; the sentences never hold a value. A token_url is for `core.addresses` to judge.

    Right are {"kind": "basic", "username", "password"}, {"kind": "bearer", "token"}, {"kind": "oauth2", "token_url",
    "client_id", "client_secret"} with scope, audience, resource and client_auth if wanted, and {"kind": "none"}.
    """
    kind = value.get("kind") if isinstance(value, Mapping) else None
    if not isinstance(value, Mapping) or not isinstance(kind, str) or kind not in KINDS:
        return [f"must be an object whose kind is one of {', '.join(KINDS)}"]
    needed, possible = KINDS[kind]
    known = {"kind", *needed, *possible}
    found = [f"{name} does not belong to {kind}" for name in value if name not in known]
    for name in (*needed, *(name for name in possible if name in value)):
        text = value.get(name)
        if not isinstance(text, str) or (not text and name != "password"):
            found.append(f"{name} is needed with {kind}" if name in needed else f"{name} must not be empty")
        elif message := _wrong(kind, name, text):
            found.append(message)
    return found


def _wrong(kind: str, name: str, text: str) -> str:
    if name == "client_auth":
        return "" if text in CLIENT_AUTHS else f"client_auth must be {' or '.join(CLIENT_AUTHS)}"
    if len(text) > LONGEST[name]:
        return f"{name} may have at most {LONGEST[name]} characters"
    if kind == "oauth2":
        return _wrong_in_grant(name, text)
    if name == "token" and not _BEARER.fullmatch(text):
        return "token may hold letters, digits and - . _ ~ + / = only (RFC 6750)"
    if not _PRINTABLE.fullmatch(text):
        return f"{name} has characters that no header can carry"
    if name == "username" and ":" in text:
        return "username must not have a colon (RFC 7617)"
    return ""


def _wrong_in_grant(name: str, text: str) -> str:
    if name == "token_url":
        return ""
    if not _VISIBLE.fullmatch(text):
        return f"{name} may hold visible ASCII characters and spaces only (RFC 6749)"
    if name == "scope" and not _SCOPE.fullmatch(text):
        return 'scope must be words with single spaces between, without " and \\ (RFC 6749 3.3)'
    if name == "resource" and not _is_resource(text):
        return "resource must be an absolute URI without a fragment (RFC 8707)"
    return ""


def _is_resource(text: str) -> bool:
    try:
        return bool(urlsplit(text).scheme) and not set(text) & {"#", " "}
    except ValueError:
        return False


def authorization(*, kind: str, secret: Mapping[str, str]) -> str | None:
    """The value of the Authorization header that never changes; None where there is none ("none", "oauth2")."""
    if kind == "basic":
        pair = f"{secret['username']}:{secret['password']}".encode()
        return f"Basic {b64encode(pair).decode('ascii')}"
    return f"Bearer {secret['token']}" if kind == "bearer" else None


def grant(*, secret: Mapping[str, str]) -> Grant:
    """With what access tokens are asked for; of kind "oauth2"."""
    return Grant(**secret)
