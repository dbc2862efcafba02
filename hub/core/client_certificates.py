"""A client certificate as PEM text: what it must be to be of use, and what may be told of it. Never shows a key."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

MAX_CHAIN: Final = 32_768
MAX_KEY: Final = 16_384
MAX_CERTIFICATES: Final = 10
LEAST_RSA_BITS: Final = 2048
_CLOCKS_DIFFER: Final = timedelta(minutes=5)
_SHOWN: Final = 500

Part = Literal["chain", "key"]


class BadCertificate(ValueError):
    """It can't be used; `part` is where to change something, the message a sentence that never repeats a value."""

    def __init__(self, part: Part, sentence: str) -> None:
        super().__init__(sentence)
        self.part = part


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate chain, the endpoint's client certificate first, and its key, both as PEM text."""

    chain: str = field(repr=False)
    key: str = field(repr=False)

    @property
    def digest(self) -> bytes:
        """What tells one from another; connections and contexts are kept apart by it."""
        return sha256(f"{self.chain}\n{self.key}".encode()).digest()


@dataclass(frozen=True, slots=True)
class Described:
    """What anybody who may see the subscription may know of its certificate."""

    subject: str
    issuer: str
    fingerprint_sha256: str
    not_after: datetime


def read(*, chain: str, key: str, now: datetime) -> tuple[Identity, Described]:
    """The two in one spelling, and what may be shown of them. Raises BadCertificate."""
    try:
        certificates = _chain(chain)
        private = _key(key)
        _check_key(certificates, private)
        _check_use(certificates, now)
        described = _described(certificates[0])
    except (
        x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
        UnsupportedAlgorithm,
        ValueError,
    ) as error:
        if isinstance(error, BadCertificate):
            raise
        raise BadCertificate(
            "chain", "has a certificate that can't be read; export it anew as PEM"
        ) from error
    identity = Identity(
        b"".join(one.public_bytes(serialization.Encoding.PEM) for one in certificates).decode("ascii"),
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode("ascii"),
    )
    try:
        # What sends is OpenSSL, and it has rules of its own, such as for signatures that are too weak.
        load(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), identity)
    except ssl.SSLError as error:
        why = (error.reason or "unknown").lower().replace("_", " ")
        raise BadCertificate("chain", f"can't be used for TLS ({why}); have a stronger one issued") from error
    return identity, described


def load(context: ssl.SSLContext, identity: Identity) -> None:
    """Let the context present it. Raises ssl.SSLError.

    OpenSSL takes files alone, so the key lies in one for a moment: encrypted, under a password of that moment.
    """
    password = os.urandom(32).hex()
    key = serialization.load_pem_private_key(identity.key.encode("ascii"), None)
    sealed = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password.encode()),
    )
    with tempfile.TemporaryDirectory(prefix="trunkline-") as folder:
        file = Path(folder) / "identity.pem"
        file.write_bytes(identity.chain.encode("ascii") + sealed)
        context.load_cert_chain(file, password=password)


def _chain(text: str) -> list[x509.Certificate]:
    raw = _pem(text, part="chain", most=MAX_CHAIN)
    if b"PRIVATE KEY" in raw:
        raise BadCertificate("chain", "holds a private key; give that as key, and here certificates alone")
    try:
        found = x509.load_pem_x509_certificates(raw)
    except ValueError as error:
        raise BadCertificate(
            "chain",
            "can't be read; give certificates as PEM, each from -----BEGIN CERTIFICATE----- to its END line",
        ) from error
    if len(found) > MAX_CERTIFICATES:
        raise BadCertificate(
            "chain", f"has {len(found)} certificates; at most {MAX_CERTIFICATES} are allowed"
        )
    return found


def _key(text: str) -> Any:
    raw = _pem(text, part="key", most=MAX_KEY)
    try:
        found = serialization.load_pem_private_key(raw, None)
    except TypeError as error:
        raise BadCertificate(
            "key", "is encrypted; decrypt it first (openssl pkey -in key.pem), it is kept sealed here"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadCertificate(
            "key", "can't be read; give one key as PEM, from -----BEGIN PRIVATE KEY----- to its END line"
        ) from error
    if isinstance(found, rsa.RSAPrivateKey) and found.key_size < LEAST_RSA_BITS:
        raise BadCertificate(
            "key",
            f"is RSA of {found.key_size} bits; at least {LEAST_RSA_BITS} are needed, or an elliptic curve",
        )
    if not isinstance(found, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
        raise BadCertificate("key", "is of a kind that TLS does not use; take RSA, ECDSA or Ed25519")
    return found


def _pem(text: str, *, part: Part, most: int) -> bytes:
    if not isinstance(text, str) or not text.strip():
        raise BadCertificate(part, "is needed, as PEM text")
    if len(text) > most:
        raise BadCertificate(part, f"has {len(text)} characters; at most {most} are allowed")
    try:
        return text.encode("ascii")
    except UnicodeEncodeError as error:
        raise BadCertificate(part, "is not PEM: it has characters beyond ASCII") from error


def _check_key(certificates: list[x509.Certificate], private: Any) -> None:
    own = _spki(private.public_key())
    fits = [_spki(one.public_key()) == own for one in certificates]
    if not fits[0]:
        raise (
            BadCertificate(
                "chain",
                "begins with a certificate that is not the key's; put that one first, then those that issued it",
            )
            if any(fits)
            else BadCertificate("key", "does not belong to the first certificate of the chain")
        )


def _check_use(certificates: list[x509.Certificate], now: datetime) -> None:
    for number, one in enumerate(certificates, start=1):
        which = "the certificate" if number == 1 else f"certificate {number} of the chain"
        if one.not_valid_after_utc <= now:
            raise BadCertificate("chain", f"{which} expired on {one.not_valid_after_utc:%Y-%m-%d}; renew it")
        if one.not_valid_before_utc > now + _CLOCKS_DIFFER:
            raise BadCertificate(
                "chain", f"{which} is valid from {one.not_valid_before_utc:%Y-%m-%d} on; set it then"
            )
    for number, (one, issuer) in enumerate(pairwise(certificates), start=2):
        if one.issuer != issuer.subject:
            raise BadCertificate(
                "chain",
                f"certificate {number} did not issue the one before it; order them from the first upwards",
            )
    if not _allows_clients(certificates[0].extensions):
        raise BadCertificate(
            "chain",
            "the certificate is not for clients; have one issued with the extended key usage clientAuth",
        )


def _allows_clients(extensions: x509.Extensions) -> bool:
    try:
        usage: Iterable[x509.ObjectIdentifier] = extensions.get_extension_for_class(
            x509.ExtendedKeyUsage
        ).value
    except x509.ExtensionNotFound:
        return True
    return bool({ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & set(usage))


def _described(certificate: x509.Certificate) -> Described:
    return Described(
        certificate.subject.rfc4514_string()[:_SHOWN],
        certificate.issuer.rfc4514_string()[:_SHOWN],
        certificate.fingerprint(hashes.SHA256()).hex(),
        certificate.not_valid_after_utc,
    )


def _spki(key: Any) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
