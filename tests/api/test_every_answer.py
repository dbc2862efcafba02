"""What holds for every address: problems, request ids, strict parameters and bodies, methods, media types."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client

from hub.api.errors import to_problem
from hub.tenants.models import Consumer
from tests.api.client import Api
from tests.cast import Cast


def problem_of(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert (body["status"], body["code"], body["type"]) == (status, code, f"/problems/{code}")
    assert body["request_id"] == answer["X-Request-Id"]
    assert body["title"]
    assert body["detail"]
    return body


def test_an_unknown_address_is_a_problem(alice: Api) -> None:
    for path in ("/nothing", "/consumers/", "/subscriptions/x/nothing", "/api/v2/consumers"):
        problem_of(alice.get(path), 404, "not-found")


def test_a_method_not_offered_names_those_that_are(alice: Api) -> None:
    for method in ("PUT", "DELETE", "OPTIONS", "TRACE", "PROPFIND"):
        answer = alice(method, "/consumers")
        problem_of(answer, 405, "method-not-allowed")
        assert answer["Allow"] == "GET, POST, HEAD"
    assert alice("HEAD", "/consumers").status_code == 200
    assert alice("HEAD", "/consumers").content == b""


@pytest.mark.parametrize(
    "authorization", ["", "Basic YTpi", "Bearer", "Bearer x", "Bearer tl_live_é", "Token x"]
)
def test_a_missing_or_malformed_key_is_challenged(db: None, authorization: str) -> None:
    answer = Api(None).get("/consumers", authorization=authorization)
    problem_of(answer, 401, "unauthenticated")
    assert answer["WWW-Authenticate"] == 'Bearer realm="trunkline"'


def test_a_session_cookie_opens_nothing(cast: Cast) -> None:
    client = Client()
    client.force_login(cast.alice.user)
    assert client.get("/api/v1/consumers").status_code == 401


def test_an_unknown_parameter_gets_a_suggestion(alice: Api) -> None:
    body = problem_of(alice.get("/consumers?limitt=3"), 400, "unknown-parameter")
    assert body["errors"] == [{"parameter": "limitt", "detail": "did you mean limit?"}]
    problem_of(alice.get("/consumers/acme?limit=3"), 400, "unknown-parameter")
    problem_of(alice.post("/consumers?limit=3", {"uid": "x"}), 400, "unknown-parameter")
    problem_of(alice.get("/consumers?limit=3&limit=4"), 400, "bad-request")


def test_an_unknown_member_of_the_body_gets_a_suggestion(alice: Api) -> None:
    body = problem_of(alice.post("/consumers", {"uid": "x", "nmae": "X"}), 400, "unknown-parameter")
    assert body["errors"] == [{"pointer": "/nmae", "detail": "'nmae' is not known here: did you mean name?"}]
    problem_of(alice.patch("/consumers/acme", {"id": "con_1"}), 400, "unknown-parameter")
    limits = {"uid": "x", "limits": {"events": 1}}
    problem_of(alice.post("/consumers", limits), 400, "unknown-parameter")
    assert Consumer.objects.count() == 2


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"{", "application/json", 400, "bad-request"),
        (b"\xff\xfe", "application/json", 400, "bad-request"),
        (b"[]", "application/json", 400, "bad-request"),
        (b'"x"', "application/json", 400, "bad-request"),
        (b'{"uid": NaN}', "application/json", 400, "bad-request"),
        (b'{"uid": "\\ud800"}', "application/json", 400, "bad-request"),
        (b"{}", "application/json", 422, "invalid"),
        (b"", "application/json", 422, "invalid"),
        (b'{"uid": "x"}', "text/plain", 415, "unsupported-media-type"),
        (b"uid=x", "application/x-www-form-urlencoded", 415, "unsupported-media-type"),
        (b" " * (1024 * 1024) + b"{}", "application/json", 413, "payload-too-large"),
    ],
)
def test_a_body_that_is_no_json_object_is_refused(
    alice: Api, body: bytes, content_type: str, status: int, code: str
) -> None:
    problem_of(alice.post("/consumers", body, content_type=content_type), status, code)
    assert Consumer.objects.count() == 2


def test_other_media_types_are_not_offered(alice: Api) -> None:
    problem_of(alice.get("/consumers", accept="text/xml"), 406, "not-acceptable")
    assert alice.get("/consumers", accept="application/*").status_code == 200


def test_a_request_id_is_kept_if_it_is_well_formed(alice: Api) -> None:
    assert alice.get("/consumers", x_request_id="abc-1:2.3")["X-Request-Id"] == "abc-1:2.3"
    for odd in ("a b", "x" * 129, "é"):
        made = alice.get("/consumers", x_request_id=odd)["X-Request-Id"]
        assert made.startswith("req_"), odd


def test_a_missing_scope_is_named(cast: Cast, alice: Api) -> None:
    key = alice.post("/keys", {"scopes": ["consumers:read"]}).json()["key"]
    assert Api(key).get("/consumers").status_code == 200
    body = problem_of(Api(key).post("/consumers", {"uid": "x"}), 403, "forbidden")
    assert "consumers:write" in body["detail"]


def test_if_match_takes_one_etag(alice: Api) -> None:
    problem_of(alice.patch("/consumers/acme", {"name": "A"}, if_match="v1"), 400, "bad-request")
    problem_of(alice.patch("/consumers/acme", {"name": "A"}, if_match='"v1", "v2"'), 400, "bad-request")
    problem_of(alice.patch("/consumers/acme", {"name": "A"}, if_match='W/"v1"'), 412, "precondition-failed")
    problem_of(alice.patch("/consumers/acme", {"name": "A"}, if_match='"other"'), 412, "precondition-failed")
    assert alice.patch("/consumers/acme", {"name": "A"}, if_match="*").status_code == 200


def test_a_database_that_is_away_is_503_and_nothing_leaks() -> None:
    away = to_problem(OperationalError("password authentication failed for user hub"))
    assert (away.status, away.code, away.headers["Retry-After"]) == (503, "overloaded", "2")
    assert "hub" not in away.detail


def test_an_unforeseen_error_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    internal = to_problem(RuntimeError("secret detail"))
    assert (internal.status, internal.code) == (500, "internal")
    assert "secret" not in internal.detail
    assert "secret detail" in caplog.text
