"""Everything goes through the proxy, which hears checked addresses and never a name."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import pytest

from hub.core.addresses import AddressGuard
from hub.core.client_certificates import read
from hub.core.http.sender import Sender
from hub.core.http.tokens import Tokens
from hub.core.oauth import Grant
from hub.core.proxy import Proxy
from hub.ops.receiver.certificates import Authority
from tests.core.conftest import Run
from tests.core.peer import OK, Peer, always, once, serving, until
from tests.core.proxy import HERE, NAME, THERE, ProxyServer, proxying, send, sending_through
from tests.demanding import Demanding, TokenServer, running, strict_context

NOW = dt.datetime.now(dt.UTC)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("proxied"), now=NOW, names=[NAME])


def test_https_goes_through_a_tunnel_to_the_checked_address_and_tls_is_with_the_name(
    run: Run, authority: Authority
) -> None:
    async def story() -> None:
        called: list[str | None] = []
        context = authority.server_context()
        context.sni_callback = lambda _, name, __: called.append(name)
        async with (
            serving(always(OK), context=context) as peer,
            proxying(leads={f"{HERE}:443": peer.port}, credentials="hub:pa ss") as through,
            sending_through(through.proxy("hub:pa%20ss"), ca_file=str(authority.ca_pem)) as sender,
        ):
            for reused in (False, True):
                reply = await send(sender, f"https://{NAME}/hook", b"x" * 100_000)
                assert (reply.status, reply.error, reply.body, reply.reused) == (200, "", b"ok", reused)
                assert reply.ip == HERE
            assert through.asked == [f"CONNECT {HERE}:443"]
            assert NAME.encode() not in through.heads[0]
            assert called == [NAME]
            assert b"proxy-authorization" not in peer.requests[0].lower()
            assert peer.requests[0].startswith(b"POST /hook HTTP/1.1\r\nhost: hooks.example.com\r\n")

    run(story())


def test_plain_http_goes_in_absolute_form_to_the_checked_address_on_every_request(run: Run) -> None:
    async def story() -> None:
        async with (
            serving(always(OK)) as peer,
            proxying(leads={f"{HERE}:8080": peer.port}, credentials="hub:pw") as through,
            sending_through(through.proxy("hub:pw"), addresses=["2606:4700::1", HERE]) as sender,
        ):
            reply = await send(sender, f"http://{NAME}:8080/a?b=1")
            assert (reply.status, reply.body, reply.ip) == (200, b"ok", HERE)
            assert through.asked == [f"POST http://{HERE}:8080/a?b=1"]
            assert b"\r\nhost: hooks.example.com:8080\r\n" in through.heads[0]
            assert b"\r\nproxy-authorization: Basic aHViOnB3\r\n" in through.heads[0]
            again = await send(sender, f"http://{NAME}:8080/a?b=1")
            assert (again.status, again.reused) == (200, True)
            # The test's proxy passes on what follows as it is; so this is what it was told.
            assert peer.requests[1].startswith(
                b"POST http://%b:8080/a?b=1 HTTP/1.1\r\nproxy-" % HERE.encode()
            )

    run(story())


@pytest.mark.parametrize("scheme", ["https", "http"])
@pytest.mark.parametrize(
    "addresses", [["10.0.0.1"], [HERE, "127.0.0.1"], ["169.254.169.254"], ["::ffff:10.0.0.1"]]
)
def test_a_refused_address_is_never_told_to_the_proxy(run: Run, scheme: str, addresses: list[str]) -> None:
    async def story() -> None:
        async with (
            proxying() as through,
            sending_through(through.proxy(), addresses=addresses, ca_file=None) as sender,
        ):
            reply = await send(sender, f"{scheme}://{NAME}/")
            assert (reply.error, reply.sent) == ("blocked-address", False)
            assert through.connections == 0

    run(story())


def test_a_name_that_changes_its_mind_reaches_what_was_checked(run: Run, authority: Authority) -> None:
    async def story() -> None:
        answers = [[HERE], ["10.0.0.1"]]

        async def lookup(host: str) -> Sequence[str]:
            return answers.pop(0)

        async with (
            serving(once(OK), context=authority.server_context()) as peer,
            proxying(leads={f"{HERE}:443": peer.port}) as through,
        ):
            sender = Sender(
                guard=AddressGuard(),
                lookup=lookup,
                dns_ttl_s=0,
                proxy=through.proxy(),
                ca_file=str(authority.ca_pem),
            )
            assert (await send(sender, f"https://{NAME}/")).status == 200
            await until(lambda: sender.stats().open == 0)
            assert (await send(sender, f"https://{NAME}/")).error == "blocked-address"
            assert through.asked == [f"CONNECT {HERE}:443"]
            await sender.aclose()

    run(story())


def test_the_certificate_is_judged_within_the_tunnel(run: Run, tmp_path: Path, authority: Authority) -> None:
    other = Authority(tmp_path, now=NOW, names=["other.example.org"])

    async def story() -> None:
        for ca_file, error in ((other.ca_pem, "tls-name"), (authority.ca_pem, "tls-untrusted")):
            async with (
                serving(always(OK), context=other.server_context()) as peer,
                proxying(leads={f"{HERE}:443": peer.port}) as through,
                sending_through(through.proxy(), ca_file=str(ca_file)) as sender,
            ):
                reply = await send(sender, f"https://{NAME}/", b"secret")
                assert (reply.error, reply.sent, peer.requests) == (error, False, [])

    run(story())


def test_the_next_address_is_tried_when_the_proxy_reaches_one_not(run: Run, authority: Authority) -> None:
    async def story() -> None:
        async with (
            serving(always(OK), context=authority.server_context()) as peer,
            proxying(leads={f"{THERE}:443": peer.port}) as through,
            sending_through(
                through.proxy(), addresses=["2606:4700::1", HERE, THERE], ca_file=str(authority.ca_pem)
            ) as sender,
        ):
            reply = await send(sender, f"https://{NAME}/")
            assert (reply.status, reply.ip) == (200, THERE)
            assert through.asked == [
                "CONNECT [2606:4700::1]:443",
                f"CONNECT {HERE}:443",
                f"CONNECT {THERE}:443",
            ]

    run(story())


def test_a_proxy_by_name_is_resolved_and_not_judged(run: Run, authority: Authority) -> None:
    async def story() -> None:
        async def lookup(host: str) -> Sequence[str]:
            if host == "gone.internal":
                raise OSError("unknown")
            return ["127.0.0.1"] if host == "proxy.internal" else [HERE]

        async with (
            serving(always(OK), context=authority.server_context()) as peer,
            proxying(leads={f"{HERE}:443": peer.port}) as through,
        ):
            for host, status, error in (("proxy.internal", 200, ""), ("gone.internal", 0, "proxy-failed")):
                sender = Sender(
                    guard=AddressGuard(),
                    lookup=lookup,
                    proxy=Proxy(host, through.port),
                    ca_file=str(authority.ca_pem),
                )
                reply = await send(sender, f"https://{NAME}/")
                assert (reply.status, reply.error) == (status, error)
                await sender.aclose()

    run(story())


def test_a_client_certificate_is_presented_through_the_tunnel(
    run: Run, tmp_path: Path, authority: Authority
) -> None:
    partners = Authority(tmp_path, now=NOW)
    chain, key = partners.client("shop", now=NOW)
    identity, described = read(chain=chain, key=key, now=NOW)

    async def story() -> None:
        with running(Demanding(context=strict_context(authority, partners))) as server:
            async with (
                proxying(leads={f"{HERE}:443": server.server_port}) as through,
                sending_through(through.proxy(), ca_file=str(authority.ca_pem)) as sender,
            ):
                assert (await send(sender, f"https://{NAME}/", identity=identity)).status == 204
                assert (await send(sender, f"https://{NAME}/")).error == "client-certificate-refused"
            assert [asked.client for asked in server.asked] == [described.fingerprint_sha256]

    run(story())


def test_tokens_are_fetched_through_the_proxy_too(run: Run, authority: Authority) -> None:
    async def story() -> None:
        with running(TokenServer(context=authority.server_context())) as server:
            async with (
                proxying(leads={f"{HERE}:443": server.server_port}) as through,
                sending_through(through.proxy(), ca_file=str(authority.ca_pem)) as sender,
            ):
                source = Tokens(sender, allow_http=False).source(
                    owner=1, grant=Grant(f"https://{NAME}/token", "hub", server.secret)
                )
                lines = await asyncio.gather(*[source.fetched() for _ in range(10)])
                assert set(lines) == {f"authorization: Bearer {server.issued[0]}\r\n".encode()}
                assert through.asked == [f"CONNECT {HERE}:443"]

    run(story())


def test_a_kept_connection_that_the_proxy_closed_is_made_anew(run: Run, authority: Authority) -> None:
    async def story() -> None:
        async with (
            serving(once(OK), context=authority.server_context()) as peer,
            proxying(leads={f"{HERE}:443": peer.port}) as through,
            sending_through(through.proxy(), ca_file=str(authority.ca_pem)) as sender,
        ):
            for number in (1, 2, 3):
                assert (await send(sender, f"https://{NAME}/")).status == 200
                assert len(through.asked) == number
            assert_talks(peer, through, 3)

    run(story())


def assert_talks(peer: Peer, through: ProxyServer, count: int) -> None:
    assert (peer.connections, through.connections, len(peer.requests)) == (count, count, count)
