"""Whether the key has the scope that a view names for the method. A view that names none is closed to all."""

from __future__ import annotations

from typing import Any

from rest_framework import exceptions
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from hub.tenants.scoping import Scope


class ScopePermission(BasePermission):
    """Reads `view.scopes`, such as {"GET": "subscriptions:read"}, and `view.environment_wide`."""

    def has_permission(self, request: Request, view: Any) -> bool:
        scope = request.auth
        if not isinstance(scope, Scope):
            raise exceptions.NotAuthenticated("Send an API key as: Authorization: Bearer tl_…")
        needed = view.scopes.get("GET" if request.method == "HEAD" else request.method)
        if needed is None:
            return False
        if scope.consumer_id is not None and view.environment_wide:
            raise exceptions.PermissionDenied(
                "This concerns the whole environment; the key belongs to one consumer."
            )
        if needed not in scope.scopes:
            raise exceptions.PermissionDenied(f"This needs the scope {needed}, which the key does not have.")
        return True
