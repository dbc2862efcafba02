"""What each role may do, and the scopes a key can have: one table. It never asks who is acting."""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType
from typing import Final

SCOPES: Final = (
    "events:write",
    "events:read",
    "events:consume",
    "subscriptions:read",
    "subscriptions:write",
    "deliveries:read",
    "deliveries:write",
    "consumers:read",
    "consumers:write",
    "keys:read",
    "keys:write",
    "members:read",
    "members:write",
    "audit:read",
    "environment:read",
    "environment:write",
)
EVERYTHING: Final = frozenset(SCOPES)

# What a key that is bound to one consumer may have at all: nothing that concerns the whole environment.
CONSUMER_SCOPES: Final = frozenset(
    {
        "events:write",
        "events:read",
        "events:consume",
        "subscriptions:read",
        "subscriptions:write",
        "deliveries:read",
        "deliveries:write",
        "consumers:read",
    }
)

_LOOK: Final = frozenset(
    {
        "events:read",
        "subscriptions:read",
        "deliveries:read",
        "consumers:read",
        "environment:read",
        "members:read",
    }
)
_SUPPORT: Final = _LOOK | {"deliveries:write", "audit:read"}
_OPERATOR: Final = _SUPPORT | {"events:consume", "subscriptions:write", "environment:write"}
_DEVELOPER: Final = _SUPPORT | {
    "events:write",
    "events:consume",
    "subscriptions:write",
    "consumers:write",
    "keys:read",
    "keys:write",
}

PERMISSIONS: Final = MappingProxyType(
    {
        "owner": EVERYTHING,
        "admin": EVERYTHING,
        "developer": _DEVELOPER,
        "operator": _OPERATOR,
        "support": _SUPPORT,
        "viewer": _LOOK,
    }
)
ROLES: Final = tuple(PERMISSIONS)


def may(role: str, permission: str) -> bool:
    """Whether the role has the permission. An unknown role has none; an unknown permission is a KeyError."""
    if permission not in EVERYTHING:
        raise KeyError(f"{permission!r} is not a permission; see SCOPES")
    return permission in PERMISSIONS.get(role, frozenset())


def may_change_member(role: str, *, old: str | None, new: str | None) -> bool:
    """Whether somebody with `role` may turn a member's role from old to new (None = not a member).

    Only owners make or unmake owners.
    """
    return may(role, "members:write") and (role == "owner" or "owner" not in (old, new))


def unknown_scopes(scopes: Iterable[str], *, for_consumer: bool) -> list[str]:
    """Those that no key of this sort can have, in the order given."""
    known = CONSUMER_SCOPES if for_consumer else EVERYTHING
    return [scope for scope in scopes if scope not in known]
