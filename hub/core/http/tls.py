"""The TLS contexts of outgoing requests, and TLS errors in a reply's words. Verification is never off."""

from __future__ import annotations

import asyncio
import ssl
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from hub.core import client_certificates
from hub.core.client_certificates import Identity
from hub.core.http.reply import CLIENT_CERTIFICATE, TLS_EXPIRED, TLS_FAILED, TLS_NAME, TLS_UNTRUSTED

# A context takes 20 ms and 0.75 MiB, most of it for the system's authorities.
MOST_CONTEXTS: Final = 64

# X509_V_ERR_* of OpenSSL's x509_vfy.h.
_EXPIRED = frozenset({9, 10})
_NAME = frozenset({62, 64})
# The alerts of RFC 8446 6.2 by which a server judges what the client presented, in OpenSSL's words.
_ALERTS = frozenset(
    (
        *("TLSV13_ALERT_CERTIFICATE_REQUIRED", "SSLV3_ALERT_BAD_CERTIFICATE", "TLSV1_ALERT_UNKNOWN_CA"),
        *(
            "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
            "SSLV3_ALERT_CERTIFICATE_REVOKED",
            "TLSV1_ALERT_ACCESS_DENIED",
        ),
        *("SSLV3_ALERT_CERTIFICATE_EXPIRED", "SSLV3_ALERT_CERTIFICATE_UNKNOWN"),
    )
)


def client_context(ca_file: str | None = None, identity: Identity | None = None) -> ssl.SSLContext:
    """Verifies against the system's authorities, and those of `ca_file` besides; TLS 1.2 or newer.

    `identity` is presented to servers that ask for a client certificate.
    """
    # uvloop reads TLS into fresh buffers of 256 KiB and shrinks them. glibc maps and unmaps each one, a fifth
    # of a request's CPU, until it has once seen a larger block freed; then it takes them from the heap.
    bytes(1024 * 1024)
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    if identity is not None:
        client_certificates.load(context, identity)
    return context


class Contexts:
    """One context for each client certificate, made in a thread when first needed; those used last are kept."""

    def __init__(self, ca_file: str | None) -> None:
        self._ca_file = ca_file
        self._threads = ThreadPoolExecutor(2, "tls")
        self._made: OrderedDict[bytes, asyncio.Future[ssl.SSLContext]] = OrderedDict()

    async def of(self, identity: Identity) -> ssl.SSLContext:
        """Raises ssl.SSLError or ValueError if OpenSSL does not take it."""
        digest = identity.digest
        made = self._made.get(digest)
        if made is None:
            loop = asyncio.get_running_loop()
            made = loop.run_in_executor(self._threads, client_context, self._ca_file, identity)
            self._made[digest] = made
            made.add_done_callback(lambda done: self._drop_failed(digest, done))
            if len(self._made) > MOST_CONTEXTS:
                self._made.popitem(last=False)
        else:
            self._made.move_to_end(digest)
        # One impatient caller must not end it for the others.
        return await asyncio.shield(made)

    async def aclose(self) -> None:
        """Wait for what is being made, which is milliseconds."""
        if unfinished := [made for made in self._made.values() if not made.done()]:
            await asyncio.wait(unfinished)
        self._threads.shutdown(wait=False)

    def _drop_failed(self, digest: bytes, made: asyncio.Future[ssl.SSLContext]) -> None:
        if (made.cancelled() or made.exception() is not None) and self._made.get(digest) is made:
            del self._made[digest]


def tls_error(error: OSError, host: str) -> tuple[str, str]:
    """(error, detail) of a handshake that failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _EXPIRED:
            return TLS_EXPIRED, f"the certificate of {host} has expired or is not valid yet; renew it"
        if error.verify_code in _NAME:
            return TLS_NAME, f"the certificate is for another name than {host}"
        return TLS_UNTRUSTED, f"the certificate of {host} is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        reason = error.reason or "unknown"
        words = reason.lower().replace("_", " ")
        if reason in _ALERTS:
            return CLIENT_CERTIFICATE, f"{host} refused the client certificate, or asks for one: {words}"
        return TLS_FAILED, f"no TLS connection with {host}: {words}"
    return TLS_FAILED, f"{host} closed the connection during the TLS handshake"
