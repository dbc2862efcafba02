"""What is taken for a client certificate, and what is said of everything else; no sentence holds a key."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hub.core.client_certificates import MAX_CHAIN, MAX_KEY, BadCertificate, Identity, read
from hub.ops.receiver.certificates import Authority

NOW = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
Pair = tuple[str, str]


def pem(key: Any, *, password: bytes | None = None, old: bool = False) -> str:
    shape = serialization.PrivateFormat.TraditionalOpenSSL if old else serialization.PrivateFormat.PKCS8
    sealing: Any = (
        serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    )
    return key.private_bytes(serialization.Encoding.PEM, shape, sealing).decode()


def name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def certificate(
    key: Any, *, subject: str = "shop", issuer: str = "its ca", begin: dt.datetime = NOW - DAY, signed_by: Any = None
) -> str:  # fmt: skip
    signer = signed_by or key
    algorithm = None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    made = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(begin)
        .not_valid_after(NOW + 30 * DAY)
        .sign(signer, algorithm)
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("clients"), now=NOW)


@pytest.fixture(scope="module")
def good(authority: Authority) -> Pair:
    return authority.client("shop", now=NOW)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ec.generate_private_key(ec.SECP256R1()),
        lambda: ec.generate_private_key(ec.SECP384R1()),
        lambda: ed25519.Ed25519PrivateKey.generate(),
        lambda: rsa.generate_private_key(65537, 2048),
    ],
    ids=["P-256", "P-384", "Ed25519", "RSA-2048"],
)
def test_keys_of_every_kind_that_tls_uses_are_taken(make: Callable[[], Any]) -> None:
    key = make()
    identity, described = read(chain=certificate(key), key=pem(key), now=NOW)
    assert (described.subject, described.issuer) == ("CN=shop", "CN=its ca")
    assert described.not_after == NOW + 30 * DAY
    assert read(chain=identity.chain, key=identity.key, now=NOW) == (identity, described)


def test_what_stands_around_pem_is_left_out_and_old_spellings_become_the_new_one() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    chain = f"Bag Attributes\n  localKeyID: 01\n{certificate(key)}\n\n"
    identity, _ = read(chain=chain, key=f"\n{pem(key, old=True)}", now=NOW)
    assert identity.chain.startswith("-----BEGIN CERTIFICATE-----\n")
    assert identity.key.startswith("-----BEGIN PRIVATE KEY-----\n")
    assert identity.key not in repr(identity)
    assert "BEGIN" not in repr(identity)


def test_the_fingerprint_is_that_of_the_certificate_itself(authority: Authority, good: Pair) -> None:
    _, described = read(chain=good[0] + authority.ca_pem.read_text(), key=good[1], now=NOW)
    (own,) = x509.load_pem_x509_certificates(good[0].encode())
    assert described.fingerprint_sha256 == own.fingerprint(hashes.SHA256()).hex()


def test_one_identity_is_told_from_another_by_both_halves(good: Pair) -> None:
    digests = {Identity(*good).digest, Identity(good[0], "x").digest, Identity("x", good[1]).digest}
    assert len(digests) == 3
    assert Identity(*good).digest == Identity(*good).digest


WEAK, STRANGE = rsa.generate_private_key(65537, 1024), dsa.generate_private_key(2048)
OTHER = ec.generate_private_key(ec.SECP256R1())


@pytest.mark.parametrize(
    ("change", "part", "words"),
    [
        (lambda c, k: ("", k), "chain", "is needed"),
        (lambda c, k: (None, k), "chain", "is needed"),
        (lambda c, k: (["x"], k), "chain", "is needed"),
        (lambda c, k: (c, " \n"), "key", "is needed"),
        (lambda c, k: ("nonsense", k), "chain", "can't be read"),
        (lambda c, k: (c[: len(c) // 2], k), "chain", "can't be read"),
        (lambda c, k: (c.replace("M", "N", 3), k), "chain", "can't be read"),
        (lambda c, k: (c + "é", k), "chain", "beyond ASCII"),
        (lambda c, k: (c + "x" * MAX_CHAIN, k), "chain", "at most 32768"),
        (lambda c, k: (c, k + "x" * MAX_KEY), "key", "at most 16384"),
        (lambda c, k: (c * 11, k), "chain", "has 11 certificates; at most 10"),
        (lambda c, k: (k + c, k), "chain", "holds a private key"),
        (lambda c, k: (c, c), "key", "can't be read"),
        (lambda c, k: (c, k[:-60]), "key", "can't be read"),
        (lambda c, k: (c, pem(OTHER, password=b"pw")), "key", "is encrypted; decrypt it first"),
        (lambda c, k: (c, pem(WEAK)), "key", "RSA of 1024 bits"),
        (lambda c, k: (c, pem(STRANGE)), "key", "a kind that TLS does not use"),
        (lambda c, k: (c, pem(ed448.Ed448PrivateKey.generate())), "key", "a kind that TLS does not use"),
        (lambda c, k: (c, pem(OTHER)), "key", "does not belong to the first certificate"),
        (lambda c, k: (certificate(OTHER) + c, k), "chain", "put that one first"),
        (lambda c, k: (c + certificate(OTHER), k), "chain", "certificate 2 did not issue the one before"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_without_repeating_it(
    good: Pair, change: Callable[[str, str], Pair], part: str, words: str
) -> None:
    chain, key = change(*good)
    with pytest.raises(BadCertificate) as caught:
        read(chain=chain, key=key, now=NOW)
    assert (caught.value.part, words in str(caught.value)) == (part, True), str(caught.value)
    assert "BEGIN PRIVATE KEY-----\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (NOW + 7 * DAY, "expired on 2026-03-08; renew it"),
        (NOW + 400 * DAY, "expired on"),
        (NOW - DAY - dt.timedelta(hours=1), "is valid from 2026-02-28 on; set it then"),
    ],
)
def test_a_certificate_out_of_its_time_is_refused(good: Pair, now: dt.datetime, words: str) -> None:
    with pytest.raises(BadCertificate, match=words):
        read(chain=good[0], key=good[1], now=now)


def test_clocks_that_differ_by_minutes_refuse_no_new_certificate(good: Pair) -> None:
    assert read(chain=good[0], key=good[1], now=NOW - DAY - dt.timedelta(minutes=4))


def test_an_issuer_in_the_chain_that_expired_is_named_by_its_place(tmp_path: Path) -> None:
    authority = Authority(tmp_path, now=NOW, days=2)
    chain, key = authority.client("shop", now=NOW, days=9)
    with pytest.raises(BadCertificate, match="certificate 2 of the chain expired on 2026-03-03"):
        read(chain=chain + authority.ca_pem.read_text(), key=key, now=NOW + 3 * DAY)


def test_a_certificate_for_servers_alone_is_refused_and_one_for_anything_is_not(authority: Authority) -> None:
    chain, key = authority.client("shop", now=NOW, usage=ExtendedKeyUsageOID.SERVER_AUTH)
    with pytest.raises(BadCertificate, match="extended key usage clientAuth"):
        read(chain=chain, key=key, now=NOW)
    chain, key = authority.client("shop", now=NOW, usage=ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)
    assert read(chain=chain, key=key, now=NOW)


def test_names_that_no_column_could_hold_are_shown_escaped_and_cut() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    _, described = read(chain=certificate(key, subject="a\x00b", issuer="i" * 64), key=pem(key), now=NOW)
    assert "\x00" not in described.subject
    assert described.issuer == f"CN={'i' * 64}"
