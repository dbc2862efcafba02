"""Reads a request's body: one JSON object of at most 1 MiB, UTF-8.

It accepts nothing that JSON does not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from rest_framework.parsers import BaseParser

from hub.core.jsonbytes import BadJson, loads
from hub.core.problems import ProblemError, problem

LIMIT = 1024 * 1024


class JSONParser(BaseParser):
    """The only parser of the API."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        raw = stream.read(LIMIT + 1)
        if len(raw) > LIMIT:
            raise ProblemError(problem("payload-too-large", f"The body may have at most {LIMIT} bytes."))
        if not raw.strip():
            return {}
        try:
            value = loads(raw)
        except BadJson as error:
            raise ProblemError(problem("bad-request", f"The body is not JSON: {error}.")) from None
        if not isinstance(value, dict):
            raise ProblemError(problem("bad-request", "The body must be a JSON object: {…}."))
        return value
