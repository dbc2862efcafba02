"""A throw-away certificate authority, a certificate for a receiver on this machine, and others for its clients. Never for
anything that lasts.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NAMES = ("localhost", "127.0.0.1", "::1")
CLIENT_AUTH = ExtendedKeyUsageOID.CLIENT_AUTH


class Authority:
    """Writes `ca.pem`, `cert.pem` and `key.pem` into the folder. `now`: the certificates hold from a day
    before it.
    """

    def __init__(
        self, folder: Path, *, now: dt.datetime, names: Sequence[str] = NAMES, days: int = 7
    ) -> None:
        self.ca_pem, self.cert_pem, self.key_pem = (folder / f"{name}.pem" for name in ("ca", "cert", "key"))
        begin, end = now - dt.timedelta(days=1), now + dt.timedelta(days=days)
        ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Trunkline throw-away authority")])
        self._issuer, self._ca_key = issuer, ca_key
        ca = (
            _builder(issuer, issuer, ca_key.public_key(), begin, end)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .sign(ca_key, hashes.SHA256())
        )
        certificate = self._issued(
            names[0],
            key.public_key(),
            begin,
            end,
            usage=ExtendedKeyUsageOID.SERVER_AUTH,
            more=[x509.SubjectAlternativeName([_name(name) for name in names])],
        )
        self.ca_pem.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
        self.cert_pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        self.key_pem.touch(mode=0o600)
        self.key_pem.write_bytes(_pem(key))

    def client(
        self, name: str, *, now: dt.datetime, days: int = 7, usage: x509.ObjectIdentifier = CLIENT_AUTH
    ) -> tuple[str, str]:
        """A certificate for a client of that name, and its key, both as PEM; it holds from a day before `now`."""
        key = ec.generate_private_key(ec.SECP256R1())
        begin, end = now - dt.timedelta(days=1), now + dt.timedelta(days=days)
        certificate = self._issued(name, key.public_key(), begin, end, usage=usage)
        return certificate.public_bytes(serialization.Encoding.PEM).decode(), _pem(key).decode()

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert_pem, self.key_pem)
        return context

    def client_context(self) -> ssl.SSLContext:
        """Trusts this authority and no other."""
        return ssl.create_default_context(cafile=str(self.ca_pem))

    def _issued(
        self,
        name: str,
        key: ec.EllipticCurvePublicKey,
        begin: dt.datetime,
        end: dt.datetime,
        *,
        usage: x509.ObjectIdentifier,
        more: Sequence[x509.ExtensionType] = (),
    ) -> x509.Certificate:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issued_by = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._ca_key.public_key())
        builder = _builder(subject, self._issuer, key, begin, end)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        for extension in (x509.ExtendedKeyUsage([usage]), issued_by, *more):
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(self._ca_key, hashes.SHA256())


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    begin: dt.datetime,
    end: dt.datetime,
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(begin).not_valid_after(end)
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
