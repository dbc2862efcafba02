"""Nothing is sent to a refused address, however the name resolves; failures to connect have their reasons."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence

import pytest

from hub.core.addresses import AddressGuard, BadUrl
from hub.core.http.sender import Sender
from hub.core.http.target import BadHeader
from tests.core.conftest import Run
from tests.core.peer import OK, always, sending, serving, until


class Names:
    """A resolver's source that gives prepared answers, one after the other, and counts the questions."""

    def __init__(self, *answers: Sequence[str] | OSError) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, host: str) -> Sequence[str]:
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, OSError):
            raise answer
        return answer


@pytest.mark.parametrize(
    ("addresses", "words"),
    [
        (["10.0.0.1"], "a private address"),
        (["127.0.0.1", "192.168.1.1"], "a private address"),
        (["192.168.1.1", "127.0.0.1"], "a private address"),
        (["127.0.0.1", "8.8.8.8", "::ffff:10.0.0.1"], "an IPv4 address written as IPv6"),
        (["169.254.169.254"], "a cloud metadata address"),
        (["fe80::1%eth0"], "an address with a zone"),
    ],
)
def test_a_name_with_one_refused_address_is_refused_whole(run: Run, addresses: list[str], words: str) -> None:
    async def story() -> None:
        async with serving(always(OK)) as peer, sending(lookup=Names(addresses)) as sender:
            target = sender.target(peer.url(host="hooks.example.com"), allow_http=True)
            reply = await sender.send(target, b"", b"secret", timeout_s=3)
            assert (reply.error, reply.status, reply.sent, reply.ip) == ("blocked-address", 0, False, "")
            assert words in reply.detail
            assert addresses[0] not in reply.detail
            assert (peer.connections, sender.stats().created) == (0, 0)

    run(story())


def test_a_name_that_changes_its_mind_is_not_asked_between_check_and_connect(run: Run) -> None:
    async def story() -> None:
        names = Names(["127.0.0.1"], ["10.0.0.1"])
        async with serving(always(OK)) as peer, sending(lookup=names, dns_ttl_s=0) as sender:
            target = sender.target(peer.url(host="rebind.example.com"), allow_http=True)
            reply = await sender.send(target, b"", b"", timeout_s=3)
            assert (reply.status, reply.ip, names.asked) == (200, "127.0.0.1", 1)
            sender._pool.connections()[0].abort()
            await until(lambda: sender.stats().open == 0)
            reply = await sender.send(target, b"", b"", timeout_s=3)
            assert (reply.error, names.asked, peer.connections) == ("blocked-address", 2, 1)

    run(story())


def test_a_refused_literal_makes_no_target(run: Run) -> None:
    async def story() -> None:
        sender = Sender(guard=AddressGuard())
        for url in (
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://[::ffff:127.0.0.1]/",
            "http://a:b@c.d/",
        ):
            with pytest.raises(BadUrl):
                sender.target(url, allow_http=True)
        await sender.aclose()

    run(story())


def test_the_next_address_is_tried_when_one_does_not_answer(run: Run) -> None:
    async def story() -> None:
        async with serving(always(OK)) as peer, sending(lookup=Names(["127.9.9.9", "127.0.0.1"])) as sender:
            target = sender.target(peer.url(host="two.example.com"), allow_http=True)
            reply = await sender.send(target, b"", b"", timeout_s=3)
            assert (reply.status, reply.ip) == (200, "127.0.0.1")

    run(story())


def test_a_port_nobody_listens_at_refuses(run: Run) -> None:
    async def story() -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
            async with sending() as sender:
                target = sender.target(f"http://127.0.0.1:{port}/", allow_http=True)
                reply = await sender.send(target, b"", b"", timeout_s=3)
                assert (reply.error, reply.sent, reply.ip) == ("connect-refused", False, "127.0.0.1")
                assert str(port) in reply.detail

    run(story())


def test_a_port_that_never_accepts_times_out(run: Run) -> None:
    async def story() -> None:
        # A full backlog: Linux then drops further connection requests without a word.
        with socket.socket() as deaf:
            deaf.bind(("127.0.0.1", 0))
            deaf.listen(0)
            port = deaf.getsockname()[1]
            fillers = [socket.socket() for _ in range(4)]
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(("127.0.0.1", port))
            async with sending(connect_timeout_s=0.2) as sender:
                target = sender.target(f"http://127.0.0.1:{port}/", allow_http=True)
                reply = await sender.send(target, b"", b"", timeout_s=3)
                assert (reply.error, reply.sent) == ("connect-timeout", False)
                assert 190_000 < reply.connect_us <= reply.total_us < 600_000
            for filler in fillers:
                filler.close()

    run(story())


def test_a_name_without_addresses_is_a_dns_error_and_not_asked_again_at_once(run: Run) -> None:
    async def story() -> None:
        answers: list[list[str] | OSError] = [OSError("unknown"), []]
        for answer in answers:
            names = Names(answer)
            async with sending(lookup=names) as sender:
                target = sender.target("http://nowhere.example.com/", allow_http=True)
                for _ in range(2):
                    reply = await sender.send(target, b"", b"", timeout_s=3)
                    assert (reply.error, reply.sent) == ("dns", False)
                    assert "nowhere.example.com" in reply.detail
                assert names.asked == 1

    run(story())


def test_the_system_s_resolver_is_used_by_default(run: Run) -> None:
    async def story() -> None:
        async with serving(always(OK)) as peer:
            sender = Sender(guard=AddressGuard.from_text("127.0.0.0/8, ::1"))
            reply = await sender.send(
                sender.target(peer.url(host="localhost"), allow_http=True), b"", b"", timeout_s=3
            )
            assert (reply.status, reply.ip) == (200, "127.0.0.1")
            await sender.aclose()

    run(story())


def test_a_silent_name_server_ends_with_the_deadline_and_one_question_serves_all(run: Run) -> None:
    async def story() -> None:
        asked = 0

        async def silent(host: str) -> Sequence[str]:
            nonlocal asked
            asked += 1
            await asyncio.sleep(60)
            return []

        async with sending(lookup=silent) as sender:
            target = sender.target("http://silent.example.com/", allow_http=True)
            replies = await asyncio.gather(*[sender.send(target, b"", b"", timeout_s=0.2) for _ in range(5)])
            assert {(reply.error, reply.sent) for reply in replies} == {("dns", False)}
            assert all(190_000 < reply.dns_us <= reply.total_us < 500_000 for reply in replies)
            assert asked == 1
            waiting = asyncio.create_task(sender.send(target, b"", b"", timeout_s=9))
            await asyncio.sleep(0.01)
            await sender.aclose()
            assert (await waiting).error == "dns"

    run(story())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-A", "1\r\nX-B: 2"),
        ("X-A", "1\nX-B: 2"),
        ("X-A", "1\r"),
        ("X-A", "\x00"),
        ("X-A", " x"),
        ("X-A", "x\t"),
        ("X-A", "é"),
        ("X-A\r\nX-B", "1"),
        ("X A", "1"),
        ("X-A:", "1"),
        ("", "1"),
        ("Host", "a"),
        ("content-LENGTH", "0"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "close"),
        ("Keep-Alive", "1"),
        ("TE", "trailers"),
        ("Upgrade", "h2c"),
        ("Expect", "100-continue"),
        ("Proxy-Authorization", "x"),
    ],
)
def test_a_header_that_could_change_the_request_s_shape_is_refused(run: Run, name: str, value: str) -> None:
    async def story() -> None:
        async with sending() as sender:
            with pytest.raises(BadHeader) as caught:
                sender.target("https://example.com/", allow_http=False, headers=[(name, value)])
            assert caught.value.name == name
            assert value not in str(caught.value) or len(value) < 8

    run(story())


def test_headers_and_methods_are_bounded(run: Run) -> None:
    async def story() -> None:
        async with sending() as sender:
            for headers in ([("X-A", "1")] * 65, [("X-A", "y" * 17_000)]):
                with pytest.raises(BadHeader):
                    sender.target("https://example.com/", allow_http=False, headers=headers)
            with pytest.raises(BadHeader, match="method"):
                sender.target("https://example.com/", allow_http=False, method="CONNECT")
            target = sender.target(
                "https://example.com/", allow_http=False, headers=[("Authorization", "Basic abc")]
            )
            assert "abc" not in repr(target)

    run(story())
