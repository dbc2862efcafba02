"""What became of one request, as a value: an answer, or a reason from a closed list. Never a secret."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

DNS: Final = "dns"
BLOCKED_ADDRESS: Final = "blocked-address"
CONNECT_REFUSED: Final = "connect-refused"
CONNECT_TIMEOUT: Final = "connect-timeout"
CONNECT_FAILED: Final = "connect-failed"
TLS_EXPIRED: Final = "tls-expired"
TLS_NAME: Final = "tls-name"
TLS_UNTRUSTED: Final = "tls-untrusted"
TLS_FAILED: Final = "tls-failed"
READ_TIMEOUT: Final = "read-timeout"
RESET: Final = "reset"
INVALID_RESPONSE: Final = "invalid-response"
CLIENT_CERTIFICATE: Final = "client-certificate-refused"
PROXY_FAILED: Final = "proxy-failed"

ERRORS: Final = (
    DNS,
    BLOCKED_ADDRESS,
    CONNECT_REFUSED,
    CONNECT_TIMEOUT,
    CONNECT_FAILED,
    TLS_EXPIRED,
    TLS_NAME,
    TLS_UNTRUSTED,
    TLS_FAILED,
    READ_TIMEOUT,
    RESET,
    INVALID_RESPONSE,
    CLIENT_CERTIFICATE,
    PROXY_FAILED,
)


@dataclass(slots=True)
class Reply:
    """One request's outcome. Times are microseconds; those of phases that did not happen are 0.

    `error` is "" or one of ERRORS. With an error `status` is 0, unless the head had come before.
    `body` holds the first bytes of the answer (as many as asked for), `body_size` counts what was read,
    `truncated` says that the answer was longer than `body`. `first_byte_us` counts from the writing of the
    request. `sent` is True as soon as a byte was given to a connection: the receiver may have seen it.
    """

    status: int = 0
    error: str = ""
    detail: str = ""
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    body_size: int = 0
    truncated: bool = False
    first_byte_us: int = 0
    total_us: int = 0
    ip: str = ""
    reused: bool = False
    sent: bool = False
    dns_us: int = 0
    connect_us: int = 0
    tls_us: int = 0
