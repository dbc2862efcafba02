"""The OpenAPI document and the pages around it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from jsonschema import Draft202012Validator

from hub.api.schema import document
from hub.core.jsonbytes import loads
from hub.core.problems import CODES
from hub.tenants.roles import SCOPES


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
    assert len(found) >= 28
    for path, method, operation in found:
        where = f"{method} {path}"
        assert operation["security"] == [{"apiKey": []}], where
        scope = re.search(r"Scope: `([a-z:]+)`", operation["description"])
        assert scope is not None, where
        assert scope[1] in SCOPES, where
        for status, answer in operation["responses"].items():
            assert "X-Request-Id" in answer["headers"], where
            if status == "default" or status >= "400":
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
            (name,) = re.findall(r"schemas/(\w+)", str(body))
            assert schemas[name]["additionalProperties"] is False, f"{method} {path}"


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
