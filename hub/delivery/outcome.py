"""Why an attempt or a delivery ended as it did: one enum, what each reason means and what to do about it.

It never sends anything, and never decides about a retry: it names what happened.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import IntEnum
from typing import Final


class Reason(IntEnum):
    """The numbers are stored with every attempt: never renumber one, never use one again."""

    delivered = 0
    dns = 1
    connect_refused = 2
    connect_timeout = 3
    connect_failed = 4
    tls_expired = 5
    tls_name = 6
    tls_untrusted = 7
    tls_failed = 8
    read_timeout = 9
    reset = 10
    invalid_response = 11
    http_3xx = 12
    http_401 = 13
    http_403 = 14
    http_404 = 15
    http_410 = 16
    http_413 = 17
    http_429 = 18
    http_4xx = 19
    http_5xx = 20
    blocked_address = 21
    filtered = 22
    breaker_open = 23
    rate_limited = 24
    expired = 25
    cancelled = 26
    transform_error = 27
    schema_invalid = 28
    expunged = 29
    subscription_deleted = 30
    too_large = 31
    token_failed = 32
    client_certificate_refused = 33
    proxy_failed = 34

    @property
    def code(self) -> str:
        """The text of API, log and metrics, such as "http-5xx"."""
        return _CODES[self]

    @property
    def sentence(self) -> str:
        return _FACTS[self].sentence

    @property
    def next_step(self) -> str:
        """What the tenant does about it; "" where there is nothing to do."""
        return _FACTS[self].next_step

    @property
    def retryable(self) -> bool:
        return _FACTS[self].retryable

    @property
    def counts(self) -> bool:
        """Does it say that the endpoint is unwell? Only such a failure moves the breaker."""
        return _FACTS[self].counts

    @property
    def permanent(self) -> bool:
        """A failure that the same bytes, sent again, would only meet again."""
        return self is not Reason.delivered and not _FACTS[self].retryable

    @property
    def disables(self) -> bool:
        """Does it disable the subscription? Only 410 Gone: the endpoint asks not to be called again."""
        return self is Reason.http_410

    @classmethod
    def from_code(cls, code: str) -> Reason:
        """The reason named by `code`; ValueError with the codes there are."""
        reason = _BY_CODE.get(code)
        if reason is None:
            raise ValueError(f"unknown reason {code!r}; use one of: {', '.join(sorted(_BY_CODE))}")
        return reason


@dataclass(frozen=True, slots=True)
class _Facts:
    sentence: str
    next_step: str
    retryable: bool
    counts: bool


def _unwell(sentence: str, next_step: str) -> _Facts:
    return _Facts(sentence, next_step, retryable=True, counts=True)


def _waits(sentence: str, next_step: str) -> _Facts:
    return _Facts(sentence, next_step, retryable=True, counts=False)


def _ends(sentence: str, next_step: str, *, counts: bool = False) -> _Facts:
    return _Facts(sentence, next_step, retryable=False, counts=counts)


_TABLE: Final[dict[Reason, _Facts]] = {
    Reason.delivered: _ends("The endpoint answered with a 2xx status.", ""),
    Reason.dns: _unwell(
        "The endpoint's host name could not be resolved.", "Check the URL's host name and its DNS records."
    ),
    Reason.connect_refused: _unwell(
        "The endpoint's server refused the connection.",
        "Check that it is running and listens on the URL's port.",
    ),
    Reason.connect_timeout: _unwell(
        "No connection could be made in time.", "Check that a firewall lets the hub's addresses through."
    ),
    Reason.connect_failed: _unwell(
        "The network gave no way to the endpoint.", "Check that its address can be reached from the internet."
    ),
    Reason.tls_expired: _unwell("The endpoint's certificate has expired.", "Renew the certificate."),
    Reason.tls_name: _unwell(
        "The endpoint's certificate is for another host name.", "Install one that names the host in the URL."
    ),
    Reason.tls_untrusted: _unwell(
        "The endpoint's certificate is not signed by an authority the hub trusts.",
        "Install a certificate of a public authority, with its intermediate certificates.",
    ),
    Reason.tls_failed: _unwell(
        "No secure connection could be agreed on.", "Check that the endpoint offers TLS 1.2 or 1.3."
    ),
    Reason.read_timeout: _unwell(
        "The endpoint did not finish its answer in time.",
        "Answer first and do the work afterwards, or raise the subscription's timeout.",
    ),
    Reason.reset: _unwell(
        "The endpoint closed the connection before it had answered.",
        "Look in its log for a crash or a proxy's limit.",
    ),
    Reason.invalid_response: _unwell(
        "What came back is not a valid HTTP response.",
        "Check that the URL's port speaks HTTP, and its scheme is right.",
    ),
    Reason.http_3xx: _unwell(
        "The endpoint answered with a redirect, which the hub never follows.",
        "Set the URL to where it redirects.",
    ),
    Reason.http_401: _unwell(
        "The endpoint asked for credentials (401).", "Set or renew the endpoint's authentication."
    ),
    Reason.http_403: _unwell(
        "The endpoint refused access (403).", "Check its access rules and the signing secret."
    ),
    Reason.http_404: _unwell("The endpoint knows nothing at this URL (404).", "Correct the URL's path."),
    Reason.http_410: _ends(
        "The endpoint said that it is gone for good (410); the subscription was disabled.",
        "Set a new URL and enable the subscription, or delete it.",
        counts=True,
    ),
    Reason.http_413: _ends(
        "The endpoint found the body too large (413).",
        "Raise its limit for request bodies, then requeue the delivery.",
    ),
    Reason.http_429: _waits(
        "The endpoint asked for fewer requests (429).",
        "Set a rate limit on the subscription that the endpoint can bear.",
    ),
    Reason.http_4xx: _unwell(
        "The endpoint rejected the request (4xx).", "Read its answer: it says what it misses."
    ),
    Reason.http_5xx: _unwell(
        "The endpoint failed while it handled the request (5xx).", "Look in its log at this time."
    ),
    Reason.blocked_address: _ends(
        "The URL leads to an address that the hub must not call; nothing was sent.",
        "Use a host name with public addresses only, then requeue the delivery.",
    ),
    Reason.filtered: _ends(
        "The subscription's filter left this event out.", "Change the filter if it should have matched."
    ),
    Reason.breaker_open: _waits(
        "The endpoint failed too often, so its deliveries wait; no retry is used up.", "Repair the endpoint."
    ),
    Reason.rate_limited: _waits(
        "The subscription's rate limit is reached; the delivery waits its turn.", "Raise the limit."
    ),
    Reason.expired: _ends(
        "The delivery grew older than the subscription allows.",
        "Requeue it, or raise the subscription's maximum age.",
    ),
    Reason.cancelled: _ends("The delivery was cancelled.", "Requeue it if it is wanted after all."),
    Reason.transform_error: _ends(
        "The subscription's transformation failed on this event.",
        "Correct the transformation, then requeue the delivery.",
    ),
    Reason.schema_invalid: _ends(
        "The event's data breaks its schema.", "Correct the data or the schema, then requeue it."
    ),
    Reason.expunged: _ends("The event's data was erased on request.", ""),
    Reason.subscription_deleted: _ends("The subscription was deleted while the delivery waited.", ""),
    Reason.too_large: _ends(
        "The body is larger than a delivery may be; nothing was sent.",
        "Send less data, then requeue the delivery.",
    ),
    # It counts, as a 401 does: the token server is the partner's, and a credential it no longer takes is no other trouble.
    Reason.token_failed: _unwell(
        "No access token could be fetched for the endpoint; nothing was sent to it.",
        "Check token URL, client id, client secret and scope of the subscription's authentication.",
    ),
    Reason.client_certificate_refused: _unwell(
        "The endpoint refused the hub's client certificate, or asks for one that the subscription does not have.",
        "Set or renew the subscription's client certificate, and have its issuer trusted by the endpoint.",
    ),
    # It does not count: it says nothing of the endpoint.
    Reason.proxy_failed: _waits(
        "The hub's own outbound proxy failed; nothing reached the endpoint.",
        "Nothing at the endpoint: whoever runs the hub has to look at its proxy.",
    ),
}
# Both by number: one index costs less than the hash of an enum member.
_FACTS: Final = tuple(_TABLE[reason] for reason in Reason)
_CODES: Final = tuple(reason.name.replace("_", "-") for reason in Reason)
_BY_CODE: Final = {code: Reason(number) for number, code in enumerate(_CODES)}

SENDER_ERRORS: Final = frozenset(
    (
        *("dns", "connect-refused", "connect-timeout", "connect-failed", "blocked-address"),
        *("tls-expired", "tls-name", "tls-untrusted", "tls-failed"),
        *("read-timeout", "reset", "invalid-response", "client-certificate-refused", "proxy-failed"),
    )
)
_BY_ERROR: Final = {code: _BY_CODE[code] for code in SENDER_ERRORS}
_BY_STATUS: Final = {
    401: Reason.http_401,
    403: Reason.http_403,
    404: Reason.http_404,
    410: Reason.http_410,
    413: Reason.http_413,
    429: Reason.http_429,
}
_BY_HUNDRED: Final = {3: Reason.http_3xx, 4: Reason.http_4xx, 5: Reason.http_5xx}
_DELIVERED: Final = Reason.delivered


def classify(*, status: int, error: str) -> Reason:
    """What an attempt came to. An error wins over a status: a 200 whose body was cut off is a `reset`.

    `status` is 0 where none was read; `error` is "" or one of SENDER_ERRORS, else ValueError.
    """
    if not error:
        if 200 <= status < 300:
            return _DELIVERED
        return _BY_STATUS.get(status) or _BY_HUNDRED.get(status // 100, Reason.invalid_response)
    reason = _BY_ERROR.get(error)
    if reason is None:
        raise ValueError(
            f"the sender reported {error!r}, which has no reason; add it to Reason and SENDER_ERRORS"
        )
    return reason


_SECONDS = re.compile(rb"(-?)(\d{1,18})(?:\.\d+)?", re.ASCII)
_CLOCK_TIME = re.compile(rb"\d\d:\d\d:\d\d")


def parse_retry_after(value: bytes | None, *, now: datetime) -> float | None:
    """Seconds asked for by a Retry-After header: delta seconds or an HTTP-date (RFC 9110, 10.2.3); uncapped.

    A fraction is accepted, since servers send them. The past and negative numbers are 0.0, nonsense is None.
    """
    if value is None or len(value) > 64:
        return None
    value = value.strip()
    if seconds := _SECONDS.fullmatch(value):
        return 0.0 if seconds[1] else float(value)
    # The parser of mail dates takes "1 2 3" for one; a time of day tells a date from nonsense.
    if not _CLOCK_TIME.search(value):
        return None
    try:
        at = parsedate_to_datetime(value.decode("ascii"))
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return max(0.0, (at - now).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None


def asked_wait(*, status: int, retry_after: bytes | None, now: datetime) -> float | None:
    """The Retry-After of a 429 or 503, the two statuses on which it is honoured; otherwise None."""
    return parse_retry_after(retry_after, now=now) if status in (429, 503) else None
