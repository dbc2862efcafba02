"""The OpenAPI document and the pages around it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from jsonschema import Draft202012Validator

from hub.api import ingest_document
from hub.api.schema import document
from hub.core.jsonbytes import loads
from hub.core.problems import CODES, ProblemError
from hub.ingest import app, parse
from hub.tenants.roles import SCOPES

HOT = {("events_create", "202"), ("events_create_batch", "202")}


@pytest.fixture(scope="module")
def openapi() -> dict[str, Any]:
    return loads(document())


def operations(openapi: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, operation)
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
    ]


def test_the_document_needs_no_key_and_can_be_cached(client: Client) -> None:
    answer = client.get("/api/v1/openapi.json")
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"
    assert loads(answer.content)["openapi"].startswith("3.1")
    assert client.get("/api/v1/openapi.json", headers={"if-none-match": answer["ETag"]}).status_code == 304


def test_every_operation_says_its_scope_its_key_and_its_problems(openapi: dict[str, Any]) -> None:
    found = operations(openapi)
    assert len(found) >= 45
    for path, method, operation in found:
        where = f"{method} {path}"
        assert operation["security"] == [{"apiKey": []}], where
        scope = re.search(r"Scope: `([a-z:]+)`", operation["description"])
        assert scope is not None, where
        assert scope[1] in SCOPES, where
        for status, answer in operation["responses"].items():
            # What takes events in sends the header with refusals only: every byte counts there.
            assert "X-Request-Id" in answer["headers"] or (operation["operationId"], status) in HOT, where
            if (operation["operationId"], status) == ("events_create_batch", "422"):
                assert list(answer["content"]) == ["application/problem+json", "application/json"]
            elif status == "default" or status >= "400":
                assert list(answer["content"]) == ["application/problem+json"], where


def test_operation_ids_are_unique(openapi: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(openapi)]
    assert len(set(ids)) == len(ids)


def test_the_schemas_are_json_schema(openapi: dict[str, Any]) -> None:
    for schema in openapi["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_bodies_are_closed_to_unknown_members(openapi: dict[str, Any]) -> None:
    schemas = openapi["components"]["schemas"]
    for path, method, operation in operations(openapi):
        if body := operation.get("requestBody"):
            (name,) = re.findall(r"schemas/(\w+)", str(body["content"]["application/json"]))
            assert schemas[name]["additionalProperties"] is False, f"{method} {path}"


def test_the_document_of_events_says_what_the_parser_takes() -> None:
    properties = ingest_document.NEW_EVENT["properties"]
    assert tuple(properties) == parse.MEMBERS
    assert set(ingest_document.NEW_EVENT["required"]) == {
        member.name for member in msgspec.structs.fields(parse.EventIn) if member.required
    }
    (channels, _) = properties["channels"]["anyOf"]
    assert channels["maxItems"] == parse.CHANNELS
    assert ingest_document.NEW_EVENTS["properties"]["events"]["maxItems"] == parse.BATCH_EVENTS
    assert {ingest_document.EVENTS, ingest_document.BATCH} == app.PATHS
    for name in ("id", "source", "subject", "consumer", "idempotency_key"):
        longest = properties[name]["maxLength"]
        for length, fits in ((longest, True), (longest + 1, False)):
            event = parse.EventIn(type="a", data=msgspec.Raw(b"1"), **{name: "x" * length})
            assert takes(event) is fits, name


def takes(event: parse.EventIn) -> bool:
    try:
        parse.check(event)
    except ProblemError:
        return False
    return True


@pytest.mark.parametrize("path", ["/", "/api/docs/", "/problems/invalid"])
def test_pages_load_nothing_from_elsewhere_and_need_no_inline_script(client: Client, path: str) -> None:
    answer = client.get(path)
    html = answer.content.decode()
    assert answer.status_code == 200
    assert not re.search(r"<script(?![^>]*\ssrc=)|\sstyle=|<style|\son\w+=", html)
    for address in re.findall(r'(?:src|href)="([^"]+)"', html):
        assert address.startswith("/"), address
        if address.startswith("/static/"):
            assert Path(finders.find(address.removeprefix("/static/")) or "").is_file(), address


def test_every_problem_has_its_page(client: Client) -> None:
    for code in CODES:
        assert client.get(f"/problems/{code}").status_code == 200
    assert client.get("/problems/nonsense").status_code == 404
