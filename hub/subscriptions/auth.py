"""How the hub authenticates at an endpoint: what may be set, and the Authorization header it becomes.

It stores nothing.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Final

KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "none": (),
    "basic": ("username", "password"),
    "bearer": ("token",),
}
_BEARER = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_PRINTABLE = re.compile(r"[\x20-\x7e\xa0-\xff]*")
_LONGEST: Final = {"username": 200, "password": 500, "token": 4000}


def check_auth(value: object) -> list[str]:
    """What is wrong with it; the sentences never hold a value.

    Right are {"kind": "basic", "username", "password"}, {"kind": "bearer", "token"} and {"kind": "none"}.
    """
    if not isinstance(value, Mapping) or value.get("kind") not in KINDS:
        return [f"must be an object whose kind is one of {', '.join(KINDS)}"]
    kind, parts = value["kind"], KINDS[value["kind"]]
    found = [f"{name} does not belong to {kind}" for name in value if name != "kind" and name not in parts]
    for name in parts:
        text = value.get(name)
        if not isinstance(text, str) or (not text and name != "password"):
            found.append(f"{name} is needed with {kind}")
        elif len(text) > _LONGEST[name]:
            found.append(f"{name} may have at most {_LONGEST[name]} characters")
        elif name == "token" and not _BEARER.fullmatch(text):
            found.append("token may hold letters, digits and - . _ ~ + / = only (RFC 6750)")
        elif not _PRINTABLE.fullmatch(text):
            found.append(f"{name} has characters that no header can carry")
        elif name == "username" and ":" in text:
            found.append("username must not have a colon (RFC 7617)")
    return found


def authorization(*, kind: str, secret: Mapping[str, str]) -> str | None:
    """The value of the Authorization header; None for kind "none"."""
    if kind == "basic":
        pair = f"{secret['username']}:{secret['password']}".encode()
        return f"Basic {b64encode(pair).decode('ascii')}"
    return f"Bearer {secret['token']}" if kind == "bearer" else None
