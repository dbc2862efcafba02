"""Holds answers to the OpenAPI document: every member that it names, and no other."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from hub.api.schema import document
from hub.core.jsonbytes import loads


@cache
def _closed() -> dict[str, Any]:
    found = deepcopy(loads(document()))
    for schema in found["components"]["schemas"].values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    return found


def conforms(answer: Any, operation: str) -> Any:
    """The answer's JSON, if it is what the document says of this operation and status."""
    found = _closed()
    (described,) = [
        described
        for methods in found["paths"].values()
        for described in methods.values()
        if described["operationId"] == operation
    ]
    content = described["responses"][str(answer.status_code)]["content"]
    schema = content[answer["Content-Type"]]["schema"]
    body = loads(answer.content)
    Draft202012Validator({**schema, "components": found["components"]}).validate(body)
    return body
