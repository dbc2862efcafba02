"""OAuth 2.0 client credentials (RFC 6749 4.4): what is asked of a token server, what its answer is worth, and when it may
be asked again. It sends nothing, and no message of it repeats a secret.
"""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote_plus, urlencode

from hub.core.jsonbytes import loads

MAX_TOKEN: Final = 8192
DEFAULT_LIFETIME_S: Final = 300.0
LONGEST_LIFETIME_S: Final = 86_400.0
# However short a token's life is said to be, one request for a token serves all deliveries of this long.
SHORTEST_USE_S: Final = 1.0
MARGIN_S: Final = 30.0
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 60.0
LONGEST_ASKED_S: Final = 300.0

_TOKEN = re.compile(r"[\x21-\x7e]+")
_SECONDS = re.compile(r"\d{1,9}(?:\.\d+)?", re.ASCII)
# RFC 6749 5.2, RFC 8707 2, and what servers use besides. Any other word might be anything, a secret too.
_CODES: Final = frozenset(
    (
        *(
            "invalid_request",
            "invalid_client",
            "invalid_grant",
            "unauthorized_client",
            "unsupported_grant_type",
        ),
        *(
            "invalid_scope",
            "invalid_target",
            "access_denied",
            "server_error",
            "temporarily_unavailable",
            "slow_down",
        ),
    )
)


class BadAnswer(Exception):
    """There is no usable token in it; the message is a sentence without a subject, such as "answered 401"."""


@dataclass(frozen=True, slots=True)
class Grant:
    """With what a token is asked for. `client_auth`: the client's credentials go in a "basic" header or in the "body"."""

    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str = ""
    audience: str = ""
    resource: str = ""
    client_auth: str = "basic"

    def request(self) -> tuple[list[tuple[str, str]], bytes]:
        """Headers and body of the request for a token."""
        headers = [("accept", "application/json"), ("content-type", "application/x-www-form-urlencoded")]
        form = {"grant_type": "client_credentials"}
        form |= {
            name: value
            for name, value in (
                ("scope", self.scope),
                ("audience", self.audience),
                ("resource", self.resource),
            )
            if value
        }
        if self.client_auth == "basic":
            # Each is form-encoded before (RFC 6749 2.3.1), so that a colon in one does not end it.
            pair = f"{quote_plus(self.client_id)}:{quote_plus(self.client_secret)}"
            headers.append(("authorization", f"Basic {b64encode(pair.encode()).decode('ascii')}"))
        else:
            form |= {"client_id": self.client_id, "client_secret": self.client_secret}
        return headers, urlencode(form).encode("ascii")


@dataclass(frozen=True, slots=True)
class Token:
    """`usable_s`: for so long from now it may be sent, which ends shortly before its life."""

    value: str = field(repr=False)
    usable_s: float


def read_answer(*, status: int, body: bytes, truncated: bool) -> Token:
    """The token in a token server's answer; raises BadAnswer."""
    document = None if truncated else _document(body)
    if not 200 <= status < 300:
        code = document.get("error") if document else None
        if 300 <= status < 400:
            raise BadAnswer(f"answered with a redirect ({status}), which is never followed")
        raise BadAnswer(
            f"answered {status}" + (f", {code}" if isinstance(code, str) and code in _CODES else "")
        )
    if document is None:
        raise BadAnswer("answered with something else than a JSON object of a sensible size")
    kind, value = document.get("token_type", "bearer"), document.get("access_token")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise BadAnswer("gave a token of another type than bearer")
    if not isinstance(value, str) or not value:
        raise BadAnswer("answered without an access_token")
    if len(value) > MAX_TOKEN or not _TOKEN.fullmatch(value):
        raise BadAnswer(
            f"gave a token that no header can carry: it is longer than {MAX_TOKEN}, or not plain ASCII"
        )
    return Token(value, usable_for(_lifetime(document.get("expires_in"))))


def usable_for(lifetime_s: float | None) -> float:
    """Seconds of a token's use; `lifetime_s` is what expires_in said, None if it said nothing that can be understood."""
    lifetime = DEFAULT_LIFETIME_S if lifetime_s is None else min(lifetime_s, LONGEST_LIFETIME_S)
    return max(SHORTEST_USE_S, lifetime - min(MARGIN_S, lifetime / 10))


def pause_after(failures: int, *, asked_s: float | None, random: float) -> float:
    """Seconds until the next request after so many that failed in a row; `asked_s` is the server's Retry-After.

    `random` in [0, 1) takes up to half off, so that many hubs do not come as one.
    """
    step: float = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(failures - 1, 10))
    pause = step * (1.0 - random / 2)
    return pause if asked_s is None else max(pause, min(asked_s, LONGEST_ASKED_S))


def asked_wait(retry_after: bytes | None) -> float | None:
    """Retry-After in seconds; a date is not understood here, and the usual pause is enough then."""
    text = (retry_after or b"").strip().decode("latin-1")
    return float(text) if _SECONDS.fullmatch(text) else None


def _document(body: bytes) -> dict[str, Any] | None:
    try:
        found = loads(body)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _lifetime(value: object) -> float | None:
    # Some servers write the number as text.
    if isinstance(value, str) and _SECONDS.fullmatch(value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        return None
    return float(min(value, LONGEST_LIFETIME_S))
