"""Sinks as services keep them: in test environments alone, audited, bounded; and old requests are forgotten in batches."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.utils.module_loading import import_string

from hub.core.problems import ProblemError
from hub.sinks import addresses, catching, selectors, services
from hub.sinks.catching import Request
from hub.sinks.models import Caught, Sink
from hub.subscriptions import reception
from hub.subscriptions import services as subscriptions
from hub.tenants.models import AuditEntry, Environment
from hub.tenants.scoping import system
from hub.wiring import SCHEDULE
from tests.cast import Cast, make_cast


@pytest.fixture
def cast(db: None) -> Cast:
    return make_cast()


def scope_of(environment: Environment) -> Any:
    return system(environment=environment, actor="tests")


@pytest.fixture
def scope(cast: Cast) -> Any:
    return scope_of(cast.alice.test)


def send(sink: Sink, body: bytes = b"{}") -> catching.Answer:
    return reception.receive(Request(sink.token, "http", "POST", "", (), body), now=0.0)


def code(caught: pytest.ExceptionInfo[ProblemError]) -> tuple[int, str]:
    return caught.value.problem.status, caught.value.problem.detail


def test_a_live_environment_has_none(cast: Cast) -> None:
    with pytest.raises(ProblemError) as caught:
        services.create(scope=scope_of(cast.alice.live))
    assert code(caught) == (422, "sinks are for environments of kind test; this one is live")
    assert Sink.objects.count() == 0


def test_every_change_is_audited_and_what_changes_nothing_is_not(scope: Any) -> None:
    sink = services.create(scope=scope, name="one", respond={"status": 503})
    assert services.update(scope=scope, uid=sink.uid, changes={"name": "one"}).version == 1
    assert services.update(scope=scope, uid=sink.uid, changes={"respond": {}}).version == 2
    with pytest.raises(ProblemError) as caught:
        services.update(scope=scope, uid=sink.uid, changes={"name": "two"}, expected_version=1)
    assert code(caught)[0] == 412
    send(sink)
    services.empty(scope=scope, uid=sink.uid)
    services.delete(scope=scope, uid=sink.uid)
    told = AuditEntry.objects.filter(target=sink.uid).order_by("id").values_list("action", "changes")
    old = {"status": 503, "body": "", "headers": {}, "latency_ms": 0}
    assert list(told) == [
        ("sink.created", {"name": [None, "one"], "respond": [None, old]}),
        ("sink.updated", {"respond": [old, {**old, "status": 200}]}),
        ("sink.emptied", {"requests": [1, 0]}),
        ("sink.deleted", {"name": ["one", None]}),
    ]


def test_a_sink_goes_with_what_it_caught_and_answers_404(scope: Any) -> None:
    sink, other = services.create(scope=scope), services.create(scope=scope)
    assert (send(sink).status, send(other).status) == (200, 200)
    services.delete(scope=scope, uid=sink.uid)
    assert send(sink).status == 404
    assert [row.sink_id for row in Caught.objects.all()] == [other.id]


def test_the_rate_is_held_and_a_refusal_keeps_nothing(scope: Any) -> None:
    sink, other = services.create(scope=scope), services.create(scope=scope)
    answers = [send(sink).status for _ in range(catching.RATE + 3)]
    assert answers == [200] * catching.RATE + [429] * 3
    assert Caught.objects.filter(sink=sink).count() == catching.RATE
    assert send(other).status == 200
    Caught.objects.filter(sink=sink).update(at=catching_age(catching.RATE_S + 1))
    assert send(sink).status == 200


def catching_age(seconds: int) -> Any:
    with connection.cursor() as cursor:
        cursor.execute("select clock_timestamp() - %s * interval '1 second'", [seconds])
        return cursor.fetchone()[0]


def test_what_is_old_or_too_much_is_forgotten_and_the_newest_stay(
    scope: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "BATCH", 7)
    monkeypatch.setattr(catching, "MOST_REQUESTS", 20)
    full, aged = services.create(scope=scope), services.create(scope=scope)
    for number in range(50):
        send(full, str(number).encode())
    for _ in range(10):
        send(aged)
    day = catching.KEPT_HOURS * 3600
    old = list(Caught.objects.filter(sink=aged).order_by("id").values_list("id", flat=True)[:8])
    Caught.objects.filter(id__in=old).update(at=catching_age(day + 1))
    assert services.forget() == 30 + 8
    assert [bytes(row.body) for row in Caught.objects.filter(sink=full).order_by("id")] == [
        str(number).encode() for number in range(30, 50)
    ]
    assert Caught.objects.filter(sink=aged).count() == 2
    assert services.forget() == 0


def test_a_subscription_may_point_at_its_own_environments_sinks_alone(cast: Cast, scope: Any) -> None:
    sink = services.create(scope=scope)
    url = addresses.url_of(sink.token)
    assert url == f"{settings.PUBLIC_URL}/sink/{sink.token}"
    # http and a loopback address, which services refuse of every other URL here.
    new = {"url": url, "patterns": ["*"]}
    assert subscriptions.create(scope=scope, fields=new)[0].url == url
    for stranger in (scope_of(cast.alice.live), scope_of(cast.charlie.test)):
        with pytest.raises(ProblemError) as caught:
            subscriptions.create(scope=stranger, fields=new)
        assert code(caught)[1].startswith("url: is that of no sink of this environment")
    for near in (url + "/", url + "?a=1", url[:-1], url + "a", url.replace("/sink/", "/sinks/"), url.upper(),
                 url.replace("/sink/", "/sink/../"), settings.PUBLIC_URL + "/", url.replace("//", "//a@")):  # fmt: skip
        with pytest.raises(ProblemError) as caught:
            subscriptions.create(scope=scope, fields={**new, "url": near})
        assert code(caught)[0] == 422, near
    auth = {"kind": "oauth2", "token_url": url, "client_id": "a", "client_secret": "b"}
    with pytest.raises(ProblemError) as caught:
        subscriptions.create(scope=scope, fields={**new, "auth": auth})
    assert "token_url" in code(caught)[1]


def test_a_consumers_key_sees_no_sink(cast: Cast) -> None:
    consumer = scope_of(cast.alice.live)
    bound = type(consumer)(
        consumer.tenant_id, consumer.environment_id, cast.acme.id, "key", "k", consumer.scopes
    )
    assert list(selectors.sinks(bound)) == []
    with pytest.raises(ProblemError) as caught:
        services.create(scope=bound)
    assert code(caught)[0] == 403


def test_beat_sends_the_task_that_forgets(scope: Any) -> None:
    sink = services.create(scope=scope)
    send(sink)
    Caught.objects.update(at=catching_age(catching.KEPT_HOURS * 3600 + 1))
    import_string(SCHEDULE["forget-caught"]["task"])()
    assert Caught.objects.count() == 0
