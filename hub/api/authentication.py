"""`Authorization: Bearer tl_…`. Sets request.auth to the key's Scope and leaves request.user empty.

Cookies are never looked at.
"""

from __future__ import annotations

from ipaddress import ip_address

from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from hub.api import request_ids
from hub.core.clock import utcnow
from hub.tenants.authentication import KeyRefused, TenantSuspended, authenticate
from hub.tenants.scoping import Scope

CHALLENGE = 'Bearer realm="trunkline"'


class KeyAuthentication(BaseAuthentication):
    """API keys for REST framework."""

    def authenticate(self, request: Request) -> tuple[None, Scope] | None:
        header = request.META.get("HTTP_AUTHORIZATION", "")
        if not header:
            return None
        scheme, _, text = header.partition(" ")
        if scheme.lower() != "bearer":
            raise exceptions.AuthenticationFailed("Send the API key as: Authorization: Bearer tl_…")
        try:
            scope = authenticate(
                text=text.strip(),
                now=utcnow(),
                ip=_ip(request.META.get("REMOTE_ADDR")),
                request_id=request_ids.of(request._request),
            )
        except KeyRefused as refused:
            raise exceptions.AuthenticationFailed(str(refused)) from None
        except TenantSuspended as suspended:
            raise exceptions.PermissionDenied(str(suspended)) from None
        return None, scope

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


def _ip(text: str | None) -> str | None:
    try:
        return str(ip_address(text or ""))
    except ValueError:
        # A Unix socket has no address.
        return None
