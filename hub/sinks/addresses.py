"""Where sinks are: PUBLIC_URL, /sink/ and a token. An address is recognised when it is spelt exactly so, and never repaired."""

from __future__ import annotations

import re
import secrets

from django.conf import settings

_TOKEN = re.compile(r"[A-Za-z0-9_-]{32}")


def new_token() -> str:
    """192 random bits."""
    return secrets.token_urlsafe(24)


def prefix() -> str:
    return f"{settings.PUBLIC_URL.rstrip('/')}/sink/"


def url_of(token: str) -> str:
    return prefix() + token


def is_sink(url: str) -> bool:
    """Does it lie where sinks are? Whether there is one, and whose, only the table knows."""
    return isinstance(url, str) and url.startswith(prefix())


def token_of(url: str) -> str:
    """Its token; "" if that is none."""
    token = url[len(prefix()) :] if is_sink(url) else ""
    return token if is_token(token) else ""


def is_token(text: str) -> bool:
    """Has it the form of one? What a stranger sends may be anything, NUL included."""
    return _TOKEN.fullmatch(text) is not None
