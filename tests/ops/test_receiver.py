"""The receiver: what it remembers, what it believes, and every way in which it can misbehave, on real
sockets.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from hub.core.signing import Signer, new_secret
from hub.ops.receiver import Act, Behaviour
from hub.ops.receiver.behaviour import OK, Course
from tests.receiver import ReceiverThread, running

BODY = b'{"type":"order.created","data":{"id":1}}'
SECRET = new_secret()
NO_TRUST = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@pytest.fixture
def receiver() -> Iterator[ReceiverThread]:
    with running() as receiver:
        yield receiver


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=2, trust_env=False, verify=NO_TRUST) as client:
        yield client


def signed(body: bytes = BODY, *, secret: str = SECRET, at: float | None = None) -> dict[str, str]:
    stamp = int(time.time() if at is None else at)
    signature = Signer([secret]).sign("msg_1", stamp, body)
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(stamp),
        "webhook-signature": signature.decode() if isinstance(signature, bytes) else signature,
        "trunkline-attempt": "3",
    }


def test_a_request_is_remembered_as_it_came(receiver: ReceiverThread, client: httpx.Client) -> None:
    answer = client.post(receiver.url("/hook?x=1"), content=BODY, headers={"X-Team": "blue"})
    (seen,) = receiver.requests("/hook")
    assert (answer.status_code, answer.content) == (200, b"ok")
    assert (seen.method, seen.path, seen.body, seen.headers["x-team"]) == ("POST", "/hook", BODY, "blue")
    assert (seen.number, seen.connection, seen.type, seen.answered) == (1, 1, "order.created", "200")
    assert (seen.verified, seen.problem) == (None, "no secret to verify with")


def test_a_connection_is_kept_and_numbered(receiver: ReceiverThread, client: httpx.Client) -> None:
    for _ in range(3):
        client.post(receiver.url(), content=BODY)
    with httpx.Client(trust_env=False, verify=NO_TRUST) as other:
        other.post(receiver.url(), content=BODY)
    assert [seen.connection for seen in receiver.requests()] == [1, 1, 1, 2]


def test_only_so_many_requests_are_remembered(client: httpx.Client) -> None:
    with running(remember=2) as receiver:
        for number in range(4):
            client.post(receiver.url(), content=str(number))
        assert [seen.body for seen in receiver.requests()] == [b"2", b"3"]
        assert receiver.receiver.count == 4


@pytest.mark.parametrize(
    ("headers", "problem"),
    [
        (signed(), ""),
        (signed(secret=new_secret()), "no signature in webhook-signature matches this body and secret"),
        (signed(b"{}"), "no signature in webhook-signature matches this body and secret"),
        (signed(at=1), "webhook-timestamp is over 300 s in the past"),
        ({}, "the header webhook-id is missing"),
    ],
)
def test_a_signature_is_judged(client: httpx.Client, headers: dict[str, str], problem: str) -> None:
    with running(secrets=[SECRET]) as receiver:
        client.post(receiver.url(), content=BODY, headers=headers)
        (seen,) = receiver.requests()
    assert (seen.verified, seen.problem) == (problem == "", problem)


def test_each_path_may_have_a_secret_of_its_own(receiver: ReceiverThread, client: httpx.Client) -> None:
    receiver.trust(new_secret())
    receiver.trust(SECRET, path="/mine")
    for path in ("/mine", "/other"):
        client.post(receiver.url(path), content=BODY, headers=signed())
    assert [(seen.path, seen.verified, seen.attempt) for seen in receiver.requests()] == [
        ("/mine", True, 3),
        ("/other", False, 3),
    ]


@pytest.mark.parametrize(
    ("behaviour", "statuses"),
    [
        (Behaviour.failing(500), [500, 500, 500, 500]),
        (Behaviour.failing(503, first=2), [503, 503, 200, 200]),
        (Behaviour.rate_limiting(7, first=1), [429, 200, 200, 200]),
        (Behaviour(status=204, body=b""), [204, 204, 204, 204]),
        ([Behaviour.failing(500), Behaviour.failing(410), OK], [500, 410, 200, 200]),
    ],
)
def test_statuses_come_as_told(
    receiver: ReceiverThread, client: httpx.Client, behaviour: Behaviour, statuses: list[int]
) -> None:
    receiver.behave(behaviour)
    assert [client.post(receiver.url(), content=BODY).status_code for _ in statuses] == statuses


def test_a_share_of_failures_is_the_same_for_the_same_seed() -> None:
    def outcome(seed: int) -> list[int]:
        course = Course(Behaviour.failing(500, probability=0.3, seed=seed))
        return [course.next().status for _ in range(1000)]

    assert outcome(1) == outcome(1)
    assert outcome(1) != outcome(2)
    assert 250 < outcome(1).count(500) < 350


def test_a_course_without_steps_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one behaviour"):
        Course([])


def test_headers_tell_when_to_come_back_and_where_to_go(
    receiver: ReceiverThread, client: httpx.Client
) -> None:
    receiver.behave(Behaviour.rate_limiting(7), path="/limited")
    receiver.behave(Behaviour.redirecting("http://127.0.0.1:1/"), path="/moved")
    assert client.post(receiver.url("/limited")).headers["retry-after"] == "7"
    moved = client.post(receiver.url("/moved"))
    assert (moved.status_code, moved.headers["location"]) == (307, "http://127.0.0.1:1/")
    assert client.post(receiver.url("/")).status_code == 200


def test_an_answer_can_be_late(receiver: ReceiverThread, client: httpx.Client) -> None:
    receiver.behave(Behaviour(latency_s=0.15))
    begun = time.monotonic()
    client.post(receiver.url())
    assert time.monotonic() - begun >= 0.15


@pytest.mark.parametrize("act", [Act.reset_before_reading, Act.reset_after_reading])
def test_a_reset_is_a_reset(receiver: ReceiverThread, client: httpx.Client, act: Act) -> None:
    receiver.behave(Behaviour(act=act))
    with pytest.raises(httpx.TransportError):
        client.post(receiver.url(), content=BODY)
    (seen,) = receiver.wait_for(1)
    assert seen.answered.startswith("reset")


def test_a_hanging_path_hangs_no_other(receiver: ReceiverThread, client: httpx.Client) -> None:
    receiver.behave(Behaviour(act=Act.hang), path="/hang")
    with pytest.raises(httpx.ReadTimeout):
        client.post(receiver.url("/hang"), content=BODY, timeout=0.1)
    assert client.post(receiver.url("/")).status_code == 200
    assert [seen.answered for seen in receiver.requests()] == ["no answer", "200"]


def read(receiver: ReceiverThread, path: str, *, most: int, deadline_s: float = 5) -> bytes:
    """Up to `most` bytes of the answer, over a bare socket."""
    with socket.create_connection(("127.0.0.1", receiver.receiver.port), timeout=deadline_s) as peer:
        peer.sendall(b"POST %b HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n" % path.encode())
        found = b""
        while len(found) < most and (data := peer.recv(65_536)):
            found += data
    return found


def test_bodies_can_be_slow_or_huge_or_without_end(receiver: ReceiverThread) -> None:
    receiver.behave(Behaviour(act=Act.slow_body, pace_s=0.01), path="/slow")
    receiver.behave(Behaviour(act=Act.gigabyte), path="/huge")
    receiver.behave(Behaviour(act=Act.endless_body), path="/endless")
    head, _, body = read(receiver, "/slow", most=120).partition(b"\r\n\r\n")
    assert b"Content-Length: 86400" in head
    assert set(body) == {ord(".")}
    assert b"Content-Length: 1073741824" in read(receiver, "/huge", most=1_000_000)
    endless = read(receiver, "/endless", most=1_000_000)
    assert b"Transfer-Encoding: chunked" in endless
    assert len(endless) >= 1_000_000


def test_keep_alive_can_be_broken_without_a_word(receiver: ReceiverThread) -> None:
    receiver.behave(Behaviour(close_after=True))
    answer = read(receiver, "/", most=1_000_000)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"onnection: close" not in answer


def test_it_disappears_and_returns_on_the_same_port(receiver: ReceiverThread, client: httpx.Client) -> None:
    port = receiver.receiver.port
    client.post(receiver.url())
    receiver.disappear()
    assert not receiver.receiver.listening
    with pytest.raises(httpx.TransportError):
        client.post(receiver.url())
    receiver.appear()
    assert client.post(receiver.url()).status_code == 200
    assert (receiver.receiver.port, len(receiver.requests())) == (port, 2)


def test_https_is_trusted_with_its_authority_and_not_without(tmp_path: Path, client: httpx.Client) -> None:
    with running(tls_folder=tmp_path) as receiver:
        assert receiver.url().startswith("https://")
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            client.post(receiver.url())
        trusting = ssl.create_default_context(cafile=str(receiver.ca_pem))
        with httpx.Client(verify=trusting, trust_env=False) as friend:
            assert friend.post(receiver.url()).status_code == 200
    assert (tmp_path / "key.pem").stat().st_mode & 0o077 == 0


def test_bodies_in_chunks_and_expectations_are_understood(receiver: ReceiverThread) -> None:
    with socket.create_connection(("127.0.0.1", receiver.receiver.port), timeout=5) as peer:
        peer.sendall(
            b"POST /c HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        assert peer.recv(100).startswith(b"HTTP/1.1 100")
        peer.sendall(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
        receiver.wait_for(1, "/c")
    assert [seen.body for seen in receiver.requests()] == [b"abcde"]


def test_what_is_no_http_is_cut_off_and_forgotten(receiver: ReceiverThread, client: httpx.Client) -> None:
    with socket.create_connection(("127.0.0.1", receiver.receiver.port), timeout=5) as peer:
        peer.sendall(b"\x16\x03\x01 this is no request\r\n\r\n")
        assert peer.recv(100) == b""
    assert client.post(receiver.url()).status_code == 200
    assert len(receiver.requests()) == 1


def test_waiting_in_vain_says_how_many_came(receiver: ReceiverThread) -> None:
    with pytest.raises(AssertionError, match=r"0 of 1 requests came to /x within 0\.05 s"):
        receiver.wait_for(1, "/x", deadline_s=0.05)
