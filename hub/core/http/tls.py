"""The TLS context of outgoing requests, and its errors in a reply's words. Verification is never off."""

from __future__ import annotations

import ssl

from hub.core.http.reply import TLS_EXPIRED, TLS_FAILED, TLS_NAME, TLS_UNTRUSTED

# X509_V_ERR_* of OpenSSL's x509_vfy.h.
_EXPIRED = frozenset({9, 10})
_NAME = frozenset({62, 64})


def client_context(ca_file: str | None = None) -> ssl.SSLContext:
    """Verifies against the system's authorities, and those of `ca_file` besides; TLS 1.2 or newer."""
    # uvloop reads TLS into fresh buffers of 256 KiB and shrinks them. glibc maps and unmaps each one, a fifth
    # of a request's CPU, until it has once seen a larger block freed; then it takes them from the heap.
    bytes(1024 * 1024)
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


def tls_error(error: OSError, host: str) -> tuple[str, str]:
    """(error, detail) of a handshake that failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _EXPIRED:
            return TLS_EXPIRED, f"the certificate of {host} has expired or is not valid yet; renew it"
        if error.verify_code in _NAME:
            return TLS_NAME, f"the certificate is for another name than {host}"
        return TLS_UNTRUSTED, f"the certificate of {host} is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return (
            TLS_FAILED,
            f"no TLS connection with {host}: {(error.reason or 'unknown').lower().replace('_', ' ')}",
        )
    return TLS_FAILED, f"{host} closed the connection during the TLS handshake"
