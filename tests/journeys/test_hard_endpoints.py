"""Endpoints that demand an access token or a client certificate: reached, refused with a reason, and healed by a change."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hub.delivery.outcome import Reason
from hub.ops.receiver.certificates import Authority
from tests import embedded
from tests.demanding import Demanding, TokenServer, running, strict_context
from tests.journeys.room import Room, wait_until

DELIVERED = 1
NOW = datetime.now(UTC)


@pytest.fixture
def server() -> Iterator[TokenServer]:
    with running(TokenServer()) as started:
        yield started


@pytest.fixture
def target(server: TokenServer) -> Iterator[Demanding]:
    """Takes the tokens of that server alone."""
    with running(Demanding(server.demanded)) as started:
        yield started


@pytest.fixture
def partners(tmp_path: Path) -> Authority:
    """Whom an endpoint trusts."""
    return Authority(tmp_path, now=NOW)


@pytest.fixture
def strict(partners: Authority) -> Iterator[Demanding]:
    """Behind TLS that the hub trusts, and closed to all but its partners."""
    with running(Demanding(context=strict_context(embedded.TLS, partners))) as started:
        yield started


def credentials(server: TokenServer, **more: Any) -> dict[str, str]:
    return {
        "kind": "oauth2",
        "token_url": server.url("/token"),
        "client_id": server.client,
        "client_secret": server.secret,
        **more,
    }


def certificate(authority: Authority, name: str) -> dict[str, str]:
    chain, key = authority.client(name, now=NOW)
    return {"chain": chain, "key": key}


def post_many(room: Room, count: int) -> None:
    events = [{"type": "order.created", "data": {"n": number}} for number in range(count)]
    assert room.api.post("/events/batch", json={"events": events}).status_code == 202


def attempt(room: Room, event: str) -> dict[str, Any]:
    """The last attempt of an event's only delivery, as the API tells it."""
    (delivery,) = room.api.get(f"/events/{event}/deliveries").json()["data"]
    return room.api.get(f"/deliveries/{delivery['id']}/attempts").json()["data"][0]


def test_one_token_serves_fifty_deliveries_and_stands_nowhere(
    room: Room, server: TokenServer, target: Demanding
) -> None:
    made = room.subscribe(target.url("/hook"), auth=credentials(server, scope="hooks"), capture="all")
    post_many(room, 50)
    asked = target.wait_for(50)
    rows = room.settled(made["id"], 50)
    assert {row[2:] for row in rows} == {(204, Reason.delivered, DELIVERED)}
    assert (len(asked), len(server.asked)) == (50, 1)
    assert b"scope=hooks" in server.asked[0].body
    (token,) = server.issued
    kept = room.rows(
        "select string_agg(encode(request || headers || body, 'escape'), ' ') from capture where sub = %s",
        room.number(made["id"]),
    )[0][0]
    assert "webhook-id" in kept
    log = (room.hub.local / "hub.log").read_text()
    assert "authorization" not in kept
    for secret in (token, server.secret):
        assert secret not in kept
        assert secret not in log
    assert room.api.get(f"/subscriptions/{made['id']}").json()["auth"] == {"kind": "oauth2"}


def test_an_expired_token_is_renewed_and_so_is_one_that_the_endpoint_takes_no_more(
    room: Room, server: TokenServer, target: Demanding
) -> None:
    server.expires_in = 1
    made = room.subscribe(
        target.url("/hook"), auth=credentials(server, client_auth="body"), retry_schedule=[1, 1]
    )
    posted = [room.post()]
    target.wait_for(1)

    def renewed() -> bool:
        posted.append(room.post())
        return len(server.issued) >= 2

    server.expires_in = 3600
    wait_until(renewed, what="a second token")
    rows = room.settled(made["id"], len(posted))
    assert ({row[2] for row in rows}, len(server.issued)) == ({204}, 2)
    server.valid.clear()
    event = room.post()
    rows = room.settled(made["id"], len(posted) + 2)[len(posted) :]
    assert [row[1:4] for row in rows] == [(1, 401, Reason.http_401), (2, 204, Reason.delivered)]
    assert (attempt(room, event)["number"], len(server.issued)) == (2, 3)


def test_a_wrong_secret_is_named_spares_the_token_server_and_heals_with_the_right_one(
    room: Room, server: TokenServer, target: Demanding
) -> None:
    wrong = credentials(server, client_secret="wr0ng-secret")
    made = room.subscribe(target.url("/hook"), auth=wrong, retry_schedule=[1, 1, 1, 1, 1, 1, 1, 1])
    event = room.post()
    room.settled(made["id"], 1)
    first = attempt(room, event)
    assert first["reason"]["code"] == "token-failed"
    assert first["detail"] == "the token server answered 401, invalid_client"
    assert "client secret" in first["reason"]["next_step"]
    assert (first["sent"], first["http"], first["capture"]) == (False, None, None)
    post_many(room, 200)
    room.settled(made["id"], 2)
    assert target.asked == []
    # 200 deliveries wait for a token, and the server was asked a few times.
    assert len(server.asked) <= len(room.attempts(made["id"])) <= 10
    answer = room.api.patch(f"/subscriptions/{made['id']}", json={"auth": credentials(server)})
    assert answer.status_code == 200, answer.text
    target.wait_for(201)
    wait_until(lambda: room.waiting(made["id"]) == 0, what="the end of all deliveries")
    assert len(server.issued) == 1
    log = (room.hub.local / "hub.log").read_text()
    assert "wr0ng-secret" not in log


def test_a_slow_token_server_holds_up_its_own_subscription_alone(
    room: Room, server: TokenServer, target: Demanding
) -> None:
    server.open.clear()
    with running(Demanding()) as quick:
        slow = room.subscribe(target.url("/slow"), auth=credentials(server))
        room.subscribe(quick.url("/quick"))
        post_many(room, 100)
        server.wait_for(1)
        quick.wait_for(100)
        assert (room.attempts(slow["id"]), len(server.asked)) == ([], 1)
        server.open.set()
        target.wait_for(100)
        assert len(server.asked) == 1


def test_a_client_certificate_opens_an_endpoint_that_demands_one(
    room: Room, strict: Demanding, partners: Authority
) -> None:
    made = room.subscribe(strict.url("/hook"), client_certificate=certificate(partners, "shop"))
    shown = made["client_certificate"]
    assert shown["subject"] == "CN=shop"
    post_many(room, 50)
    assert {asked.client for asked in strict.wait_for(50)} == {shown["fingerprint_sha256"]}
    assert {row[2:] for row in room.settled(made["id"], 50)} == {(204, Reason.delivered, DELIVERED)}
    assert strict.connections <= 32


def test_a_strangers_certificate_is_named_and_the_partners_own_heals_it(
    room: Room, strict: Demanding, partners: Authority, tmp_path: Path
) -> None:
    (tmp_path / "strangers").mkdir()
    strangers = Authority(tmp_path / "strangers", now=NOW)
    retries = [1, 1, 1, 1, 1, 1]
    made = room.subscribe(
        strict.url("/hook"), client_certificate=certificate(strangers, "stranger"), retry_schedule=retries
    )
    event = room.post()
    room.settled(made["id"], 1)
    refused = attempt(room, event)
    assert refused["reason"]["code"] == "client-certificate-refused"
    assert strict.asked == []
    path = f"/subscriptions/{made['id']}"
    right = room.api.patch(path, json={"client_certificate": certificate(partners, "shop")}).json()
    assert [asked.client for asked in strict.wait_for(1)] == [
        right["client_certificate"]["fingerprint_sha256"]
    ]
    room.api.patch(path, json={"client_certificate": None}).raise_for_status()
    event = room.post()
    wait_until(
        lambda: room.api.get(f"/events/{event}/deliveries").json()["data"][0]["attempts"], what="an attempt"
    )
    assert attempt(room, event)["reason"]["code"] == "client-certificate-refused"
    assert len(strict.asked) == 1


def test_two_subscriptions_of_one_endpoint_are_known_by_their_own_certificates(
    room: Room, strict: Demanding, partners: Authority
) -> None:
    made = [
        room.subscribe(strict.url(f"/{name}"), client_certificate=certificate(partners, name))
        for name in ("blue", "red")
    ]
    post_many(room, 20)
    asked = strict.wait_for(40)
    for row, path in zip(made, ("/blue", "/red"), strict=True):
        own = row["client_certificate"]["fingerprint_sha256"]
        assert {one.client for one in asked if one.target == path} == {own}
        assert {one.target for one in asked if one.client == own} == {path}


def test_token_server_and_endpoint_both_behind_certificates_get_the_subscriptions_own(
    room: Room, partners: Authority
) -> None:
    context = strict_context(embedded.TLS, partners)
    with (
        running(TokenServer(context=context)) as server,
        running(Demanding(server.demanded, context=context)) as target,
    ):
        given = certificate(partners, "shop")
        made = room.subscribe(target.url("/hook"), auth=credentials(server), client_certificate=given)
        room.post()
        own = made["client_certificate"]["fingerprint_sha256"]
        assert [asked.client for asked in target.wait_for(1)] == [own]
        assert [asked.client for asked in server.asked] == [own]
        assert server.url().startswith("https://")
