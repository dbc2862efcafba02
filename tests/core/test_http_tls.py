"""TLS is verified: expired, misnamed and untrusted certificates have their reasons, and nothing is sent."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
import warnings
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.core.conftest import Run
from tests.core.peer import OK, Talk, always, once, sending, serving

Context = Callable[..., ssl.SSLContext]
NOW = dt.datetime.now(dt.UTC)


def name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def draft(subject: str, issuer: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
    )


class Authority:
    """A certificate authority of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            draft("Test CA", "Test CA", self.key)
            .not_valid_before(NOW - dt.timedelta(days=30))
            .not_valid_after(NOW + dt.timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        self.file = folder / "ca.pem"
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def server(self, *, host: str = "hooks.example.com", days: int = 10) -> ssl.SSLContext:
        """A server's context, its certificate valid from 20 days ago until `days` from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.DNSName(host), x509.IPAddress(ip_address("127.0.0.1"))][
            : 2 if host != "other.org" else 1
        ]
        certificate = (
            draft(host, "Test CA", key)
            .not_valid_before(NOW - dt.timedelta(days=20))
            .not_valid_after(NOW + dt.timedelta(days=days))
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
            )
            .sign(self.key, hashes.SHA256())
        )
        file = self.folder / f"{host}{days}.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


async def here(host: str) -> list[str]:
    return ["127.0.0.1"]


def test_a_trusted_receiver_is_called_by_its_name_and_kept_alive(run: Run, authority: Authority) -> None:
    async def story() -> None:
        asked: list[str | None] = []
        context = authority.server()
        context.sni_callback = lambda _, server_name, __: asked.append(server_name)
        async with (
            serving(always(OK), context=context) as peer,
            sending(ca_file=str(authority.file), lookup=here) as sender,
        ):
            target = sender.target(peer.url(host="hooks.example.com"), allow_http=False)
            for reused in (False, True):
                reply = await sender.send(target, b"", b"x" * 300_000, timeout_s=3)
                assert (reply.status, reply.error, reply.body, reply.reused) == (200, "", b"ok", reused)
                assert (reply.tls_us > 0) is not reused
            assert asked == ["hooks.example.com"]
            assert b"host: hooks.example.com:" in peer.requests[0]

    run(story())


def test_a_literal_address_is_verified_too(run: Run, authority: Authority) -> None:
    async def story() -> None:
        async with (
            serving(always(OK), context=authority.server()) as peer,
            sending(ca_file=str(authority.file)) as sender,
        ):
            reply = await sender.send(sender.target(peer.url(), allow_http=False), b"", b"", timeout_s=3)
            assert (reply.status, reply.error) == (200, "")

    run(story())


@pytest.mark.parametrize(
    ("host", "days", "trusted", "called", "error"),
    [
        ("hooks.example.com", -1, True, "hooks.example.com", "tls-expired"),
        ("other.org", 10, True, "hooks.example.com", "tls-name"),
        ("other.org", 10, True, "127.0.0.1", "tls-name"),
        ("hooks.example.com", 10, False, "hooks.example.com", "tls-untrusted"),
    ],
)
def test_a_certificate_that_does_not_hold_has_its_own_reason(
    run: Run, authority: Authority, host: str, days: int, trusted: bool, called: str, error: str
) -> None:
    async def story() -> None:
        async with (
            serving(always(OK), context=authority.server(host=host, days=days)) as peer,
            sending(ca_file=str(authority.file) if trusted else None, lookup=here) as sender,
        ):
            target = sender.target(peer.url(host=called), allow_http=False)
            reply = await sender.send(target, b"", b"secret", timeout_s=3)
            assert (reply.error, reply.status, reply.sent) == (error, 0, False)
            assert called in reply.detail
            assert reply.tls_us > 0
            assert (peer.requests, sender.stats().open) == ([], 0)

    run(story())


@pytest.mark.parametrize("words", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""])
def test_a_receiver_that_speaks_no_tls_fails_the_handshake(run: Run, words: bytes) -> None:
    async def story() -> None:
        async def no_tls(talk: Talk) -> None:
            await talk.reader.read(100)
            await talk.say(words)

        async with serving(no_tls) as peer, sending() as sender:
            url = peer.url().replace("http:", "https:")
            reply = await sender.send(sender.target(url, allow_http=False), b"", b"", timeout_s=3)
            assert (reply.error, reply.sent) == ("tls-failed", False)

    run(story())


def test_tls_before_1_2_is_refused(run: Run, authority: Authority) -> None:
    async def story() -> None:
        context = authority.server()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = ssl.TLSVersion.TLSv1_1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        async with (
            serving(always(OK), context=context) as peer,
            sending(ca_file=str(authority.file)) as sender,
        ):
            reply = await sender.send(sender.target(peer.url(), allow_http=False), b"", b"", timeout_s=3)
            assert reply.error == "tls-failed"

    run(story())


def test_a_handshake_that_hangs_is_a_connect_timeout(run: Run) -> None:
    async def story() -> None:
        async def says_nothing(talk: Talk) -> None:
            await asyncio.sleep(60)

        async with serving(says_nothing) as peer, sending(connect_timeout_s=0.2) as sender:
            url = peer.url().replace("http:", "https:")
            reply = await sender.send(sender.target(url, allow_http=False), b"", b"", timeout_s=3)
            assert (reply.error, reply.sent) == ("connect-timeout", False)
            assert "TLS handshake" in reply.detail
            assert 150_000 < reply.tls_us < 600_000

    run(story())


def test_a_tls_receiver_that_hangs_or_breaks_off_is_bounded(run: Run, authority: Authority) -> None:
    async def story() -> None:
        for script, error in ((once(b"", then="hang"), "read-timeout"), (once(b"", then="reset"), "reset")):
            async with (
                serving(script, context=authority.server()) as peer,
                sending(ca_file=str(authority.file)) as sender,
            ):
                target = sender.target(peer.url(), allow_http=False)
                assert (await sender.send(target, b"", b"", timeout_s=0.4)).error == error

    run(story())
