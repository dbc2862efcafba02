"""What the doctor says of the way out: a proxy, its password, and client certificates that end."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from django.db import connection as django_connection

from hub.core.clock import utcnow
from hub.core.proxy import Proxy
from hub.ops.doctor import hub_state, services, surroundings
from hub.ops.doctor.finding import ok
from hub.ops.receiver.certificates import Authority
from hub.subscriptions import services as subscriptions
from tests.cast import make_person


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("", ""),
        ("http://proxy.example.com:3128", "ok"),
        ("http://hub:s3cret@10.0.0.7:3128", "ok"),
        ("http://hub:s3cret@proxy:3128", "ok"),
        ("http://hub:s3cret@egress.internal:3128", "ok"),
        ("http://hub:s3cret@proxy.example.com:3128", "warn"),
        ("http://hub:s3cret@93.184.216.34:3128", "warn"),
    ],
)
def test_a_password_that_leaves_the_own_network_unencrypted_is_noticed(url: str, found: str) -> None:
    judged = list(surroundings.egress(Proxy.from_url(url) if url else None))
    assert " ".join(f.level for f in judged) == found
    assert "s3cret" not in "".join(f.text() for f in judged)


def test_a_proxy_is_asked_whether_it_is_there() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        there = Proxy("127.0.0.1", server.getsockname()[1], "Basic s3cret")
        assert services.proxy(there).level == "fail"
        server.listen()
        assert services.proxy(there) == ok("proxy", f"127.0.0.1:{there.port} accepts connections")


@pytest.mark.parametrize(
    ("stored", "ended", "ending", "found"),
    [(0, 0, 0, ""), (3, 0, 0, "ok"), (3, 1, 0, "warn"), (3, 0, 2, "warn")],
)
def test_client_certificates_that_end_are_noticed(stored: int, ended: int, ending: int, found: str) -> None:
    judged = hub_state.client_certificates(stored=stored, ended=ended, ending=ending)
    assert " ".join(f.level for f in judged) == found


@pytest.mark.django_db
def test_the_database_counts_certificates_of_live_subscriptions_by_their_ends(tmp_path: Path) -> None:
    person = make_person(email="dora@d.example", slug="tenant-d", role="owner")
    now = utcnow()
    authority = Authority(tmp_path, now=now, days=400)
    for days in (5, 300, 300):
        chain, key = authority.client("shop", now=now, days=days)
        fields = {"url": "https://hooks.example.com/", "patterns": ["*"],
                  "client_certificate": {"chain": chain, "key": key}}  # fmt: skip
        row, _ = subscriptions.create(scope=person.scope, fields=fields, now=now)
    subscriptions.delete(scope=person.scope, uid=row.uid)
    with django_connection.cursor() as cursor:
        cursor.execute(hub_state.ENDING, {"days": hub_state.SOON_DAYS})
        assert cursor.fetchone() == (2, 0, 1)
