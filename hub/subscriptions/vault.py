"""Seals and opens what a subscription keeps secret, each under a context of its own.

The only place that knows these contexts.
"""

from __future__ import annotations

from functools import lru_cache

from django.conf import settings

from hub.core.guard import AddressGuard
from hub.core.jsonbytes import dumps, loads
from hub.core.sealing import Keyring


@lru_cache(maxsize=1)
def keyring() -> Keyring:
    """The installation's keys, read once."""
    return Keyring.from_text(settings.ENV["SEALING_KEYS"])


@lru_cache(maxsize=1)
def guard() -> AddressGuard:
    """The one judge of outbound addresses in this process."""
    return AddressGuard(settings.ENV["OUTBOUND_NETWORKS"])


def seal_secret(*, subscription: str, text: str) -> bytes:
    """A signing secret for the subscription with this uid."""
    return keyring().seal(text.encode(), context=context(subscription, "secret")).encode("ascii")


def open_secret(*, subscription: str, sealed: bytes | memoryview) -> str:
    return _open(subscription, "secret", sealed).decode()


def seal_map(*, subscription: str, part: str, values: dict[str, str]) -> bytes | None:
    """Custom headers (part "headers"), endpoint authentication ("auth") or a client certificate with its key
    ("client-certificate"); nothing is kept of nothing.
    """
    if not values:
        return None
    return keyring().seal(dumps(values), context=context(subscription, part)).encode("ascii")


def open_map(*, subscription: str, part: str, sealed: bytes | memoryview | None) -> dict[str, str]:
    if sealed is None:
        return {}
    values: dict[str, str] = loads(_open(subscription, part, sealed))
    return values


def _open(subscription: str, part: str, sealed: bytes | memoryview) -> bytes:
    return keyring().open(bytes(sealed).decode("ascii"), context=context(subscription, part))


def context(subscription: str, part: str) -> bytes:
    """What a sealed value is bound to: the subscription with this uid, and "secret", "headers", "auth" or
    "client-certificate".
    """
    return f"subscription:{subscription}:{part}".encode()
