"""A client of the API that speaks JSON with one key, through Django's whole stack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.test import Client

from hub.core.jsonbytes import dumps

_client = Client(raise_request_exception=False)


@dataclass(frozen=True, slots=True)
class Api:
    """Calls addresses under /api/v1; one that begins with /api is taken as it is."""

    key: str | None

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> HttpResponse:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.key is not None:
            sent.setdefault("authorization", f"Bearer {self.key}")
        return _client.generic(
            method,
            path if path.startswith("/api") else f"/api/v1{path}",
            data=b"" if body is None else body if isinstance(body, bytes) else dumps(body),
            content_type=sent.pop("content-type", "application/json"),
            headers=sent,
        )

    def get(self, path: str, **headers: str) -> HttpResponse:
        return self("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> HttpResponse:
        return self("POST", path, body, **headers)

    def patch(self, path: str, body: Any = None, **headers: str) -> HttpResponse:
        return self("PATCH", path, body, **headers)

    def delete(self, path: str, **headers: str) -> HttpResponse:
        return self("DELETE", path, **headers)
