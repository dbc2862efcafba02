"""Client certificates on the wire: presented to servers that demand one, and never to the wrong one."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from hub.core.client_certificates import Identity, read
from hub.core.http import tls
from hub.core.http.tls import Contexts
from hub.ops.receiver.certificates import Authority
from tests.core.conftest import Run
from tests.core.peer import sending
from tests.demanding import Demanding, running, strict_context

NOW = dt.datetime.now(dt.UTC)
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@dataclass(frozen=True)
class Known:
    """An identity, and the fingerprint by which its server knows it."""

    identity: Identity
    fingerprint: str


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mtls")


@pytest.fixture(scope="module")
def public(folder: Path) -> Authority:
    """Whom the hub trusts."""
    (folder / "public").mkdir()
    return Authority(folder / "public", now=NOW)


@pytest.fixture(scope="module")
def partners(folder: Path) -> Authority:
    """Whom endpoints trust."""
    (folder / "partners").mkdir()
    return Authority(folder / "partners", now=NOW)


def known(authority: Authority, name: str) -> Known:
    chain, key = authority.client(name, now=NOW)
    identity, described = read(chain=chain, key=key, now=NOW)
    return Known(identity, described.fingerprint_sha256)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_server_that_demands_a_certificate_gets_it_and_the_connection_is_kept(
    run: Run, public: Authority, partners: Authority, version: ssl.TLSVersion
) -> None:
    shop = known(partners, "shop")

    async def story() -> None:
        context = strict_context(public, partners, version=version)
        with running(Demanding(context=context)) as server:
            async with sending(ca_file=str(public.ca_pem)) as sender:
                target = sender.target(server.url(), allow_http=False, identity=shop.identity)
                for reused in (False, True, True):
                    reply = await sender.send(target, b"", b"x", timeout_s=3)
                    assert (reply.status, reply.error, reply.reused) == (204, "", reused)
            assert [asked.client for asked in server.asked] == [shop.fingerprint] * 3
            assert server.connections == 1

    run(story())


@pytest.mark.parametrize(
    ("version", "given", "error"),
    [
        # Before TLS 1.3 there is no alert that says what is missing.
        (ssl.TLSVersion.TLSv1_2, False, "tls-failed"),
        (ssl.TLSVersion.TLSv1_3, False, "client-certificate-refused"),
        (ssl.TLSVersion.TLSv1_2, True, "client-certificate-refused"),
        (ssl.TLSVersion.TLSv1_3, True, "client-certificate-refused"),
    ],
)
def test_without_a_certificate_or_with_a_strangers_nothing_is_taken_and_the_reason_says_so(
    run: Run, public: Authority, partners: Authority, version: ssl.TLSVersion, given: bool, error: str
) -> None:
    stranger = known(public, "stranger").identity if given else None

    async def story() -> None:
        with running(Demanding(context=strict_context(public, partners, version=version))) as server:
            async with sending(ca_file=str(public.ca_pem)) as sender:
                target = sender.target(server.url(), allow_http=False, identity=stranger)
                reply = await sender.send(target, b"", b"secret", timeout_s=3)
                assert (reply.error, reply.status) == (error, 0)
                assert "127.0.0.1" in reply.detail
            assert server.asked == []

    run(story())


def test_connections_are_never_shared_between_certificates(
    run: Run, public: Authority, partners: Authority
) -> None:
    blue, red = known(partners, "blue"), known(partners, "red")

    async def story() -> None:
        with running(Demanding(context=strict_context(public, partners))) as server:
            async with sending(ca_file=str(public.ca_pem)) as sender:
                targets = [
                    sender.target(server.url(path), allow_http=False, identity=one.identity)
                    for one in (blue, red)
                    for path in ("/a", "/b")
                ]
                for _ in range(3):
                    for target in targets:
                        assert (await sender.send(target, b"", b"", timeout_s=3)).status == 204
            by = {
                one: {a.connection for a in server.asked if a.client == one.fingerprint}
                for one in (blue, red)
            }
            assert [len(by[blue]), len(by[red]), len(by[blue] & by[red])] == [1, 1, 0]
            assert len(server.asked) == 12

    run(story())


def test_the_certificate_of_a_changed_subscription_is_presented_at_once(
    run: Run, public: Authority, partners: Authority
) -> None:
    old, new = known(partners, "shop"), known(partners, "shop")

    async def story() -> None:
        with running(Demanding(context=strict_context(public, partners))) as server:
            async with sending(ca_file=str(public.ca_pem)) as sender:
                for one in (old, new):
                    target = sender.target(server.url(), allow_http=False, identity=one.identity)
                    assert (await sender.send(target, b"", b"", timeout_s=3)).status == 204
            assert [asked.client for asked in server.asked] == [old.fingerprint, new.fingerprint]

    run(story())


def test_only_the_certificates_used_last_have_a_context_and_all_are_told_apart(
    run: Run, public: Authority, partners: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls, "MOST_CONTEXTS", 2)
    all_of = [known(partners, f"shop {number}") for number in range(4)]

    async def story() -> None:
        with running(Demanding(context=strict_context(public, partners))) as server:
            async with sending(ca_file=str(public.ca_pem), max_idle=0) as sender:
                for one in (*all_of, *all_of):
                    target = sender.target(server.url(), allow_http=False, identity=one.identity)
                    assert (await sender.send(target, b"", b"", timeout_s=3)).status == 204
                assert len(sender._contexts._made) == 2
            assert [asked.client for asked in server.asked] == [one.fingerprint for one in all_of] * 2

    run(story())


def test_many_who_want_a_context_at_once_get_the_one(
    run: Run, public: Authority, partners: Authority
) -> None:
    shop = known(partners, "shop").identity

    async def story() -> None:
        contexts = Contexts(str(public.ca_pem))
        first = asyncio.create_task(contexts.of(shop))
        await asyncio.sleep(0)
        first.cancel()
        found = await asyncio.gather(*[contexts.of(shop) for _ in range(20)])
        assert len({id(context) for context in found}) == 1
        await contexts.aclose()

    run(story())


def test_a_certificate_that_openssl_takes_no_more_is_a_reason_and_not_remembered(
    run: Run, public: Authority, partners: Authority
) -> None:
    shop = known(partners, "shop").identity
    broken = Identity(shop.chain, known(partners, "other").identity.key)

    async def story() -> None:
        with running(Demanding(context=strict_context(public, partners))) as server:
            async with sending(ca_file=str(public.ca_pem)) as sender:
                target = sender.target(server.url(), allow_http=False, identity=broken)
                for _ in range(2):
                    reply = await sender.send(target, b"", b"", timeout_s=3)
                    assert (reply.error, reply.sent) == ("client-certificate-refused", False)
                assert len(sender._contexts._made) == 0
            assert server.connections == 0

    run(story())


def test_no_key_stays_behind_on_the_disk(run: Run, public: Authority, partners: Authority) -> None:
    shop = known(partners, "shop").identity

    async def story() -> None:
        contexts = Contexts(str(public.ca_pem))
        await contexts.of(shop)
        await contexts.aclose()

    run(story())
    assert list(Path(tempfile.gettempdir()).glob("trunkline-*/identity.pem")) == []


def test_a_plain_url_has_no_certificate_to_present(run: Run, partners: Authority) -> None:
    shop = known(partners, "shop").identity

    async def story() -> None:
        with running(Demanding()) as server:
            async with sending() as sender:
                target = sender.target(server.url(), allow_http=True, identity=shop)
                same = sender.target(server.url(), allow_http=True)
                assert target.origin is same.origin
                assert (await sender.send(target, b"", b"", timeout_s=3)).status == 204

    run(story())
