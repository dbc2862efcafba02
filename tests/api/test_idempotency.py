"""Idempotency-Key: the second request gets the first answer, and nothing happens twice."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest
from django.db import connection
from django.urls import get_resolver

from hub.api.idempotency import lock_number, trim
from hub.api.models import StoredAnswer
from hub.api.views.consumption_reading import ReadView
from hub.core.clock import utcnow
from hub.subscriptions.models import Subscription
from hub.tenants.models import Consumer
from tests.api.client import Api
from tests.cast import Cast

NEW = {"url": "https://hooks.example.com/", "patterns": ["*"]}


def test_the_same_request_gets_the_first_answer(alice: Api) -> None:
    first = alice.post("/subscriptions", NEW, idempotency_key="k-1")
    again = alice.post(
        "/subscriptions", b'{ "patterns": ["*"], "url": "https://hooks.example.com/" }', idempotency_key="k-1"
    )
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert (again["ETag"], again["Location"]) == (first["ETag"], first["Location"])
    assert again["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first
    assert Subscription.objects.count() == 1


def test_a_kept_answer_holds_no_secret_in_clear(alice: Api) -> None:
    made = alice.post("/subscriptions", NEW, idempotency_key="k-1").json()
    kept = StoredAnswer.objects.get()
    assert made["secret"].encode() not in bytes(kept.body)
    assert made["url"].encode() not in bytes(kept.body)


def test_the_same_key_with_another_request_is_refused(alice: Api) -> None:
    alice.post("/consumers", {"uid": "one"}, idempotency_key="k-1")
    for path, body in (("/consumers", {"uid": "two"}), ("/keys", {"uid": "one"})):
        refused = alice.post(path, body, idempotency_key="k-1")
        assert (refused.status_code, refused.json()["code"]) == (422, "idempotency-mismatch")
    assert not Consumer.objects.filter(uid="two").exists()


def test_a_request_still_at_work_is_409(cast: Cast, alice: Api) -> None:
    number = lock_number((cast.alice.live.id, 0, "k-1"))
    settings = connection.get_connection_params()
    with psycopg.connect(
        dbname=settings["dbname"], user=settings["user"], host=settings.get("host"), port=settings.get("port")
    ) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", [number])
        waiting = alice.post("/consumers", {"uid": "one"}, idempotency_key="k-1")
        assert (waiting.status_code, waiting.json()["code"]) == (409, "idempotency-in-flight")
        assert waiting["Retry-After"] == "1"
        assert not Consumer.objects.filter(uid="one").exists()
    assert alice.post("/consumers", {"uid": "one"}, idempotency_key="k-1").status_code == 201


def test_a_refusal_is_not_kept(alice: Api) -> None:
    assert alice.post("/consumers", {"uid": "acme"}, idempotency_key="k-1").status_code == 409
    assert alice.post("/consumers", {"uid": "a b"}, idempotency_key="k-1").status_code == 422
    assert alice.post("/consumers", {"uid": "fresh"}, idempotency_key="k-1").status_code == 201


def test_after_a_day_a_key_is_as_new(alice: Api) -> None:
    alice.post("/consumers", {"uid": "one"}, idempotency_key="k-1")
    StoredAnswer.objects.update(at=utcnow() - timedelta(hours=24, seconds=1))
    fresh = alice.post("/consumers", {"uid": "two"}, idempotency_key="k-1")
    assert (fresh.status_code, fresh.json()["uid"]) == (201, "two")
    assert StoredAnswer.objects.count() == 1


def test_old_answers_are_trimmed_in_small_steps(alice: Api) -> None:
    for number in range(3):
        alice.post("/consumers", {"uid": f"c{number}"}, idempotency_key=f"k-{number}")
    assert trim(now=utcnow()) == 0
    later = utcnow() + timedelta(hours=25)
    assert [trim(now=later, limit=2), trim(now=later, limit=2), trim(now=later)] == [2, 1, 0]


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "é"])
def test_an_ill_formed_key_is_refused(alice: Api, key: str) -> None:
    assert alice.post("/consumers", {"uid": "one"}, idempotency_key=key).status_code == 400
    assert Consumer.objects.count() == 2


def test_every_post_of_the_api_takes_a_key() -> None:
    views = [
        entry.callback.view_class
        for resolver in get_resolver().url_patterns
        for entry in getattr(resolver, "url_patterns", [])
        if str(entry.pattern).startswith("api/v1/") and hasattr(entry.callback, "view_class")
    ]
    posts = [view.post for view in views if hasattr(view, "post") and view is not ReadView]
    assert len(posts) >= 10
    assert all(getattr(post, "is_idempotent", False) for post in posts)
    # What a read hands out is leased, and comes again by itself.
    assert [view for view in views if getattr(view, "keyless", False)] == [ReadView]
