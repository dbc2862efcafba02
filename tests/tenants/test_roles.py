"""The table of roles and scopes."""

from __future__ import annotations

import pytest

from hub.tenants import roles


@pytest.mark.parametrize(
    ("role", "permission", "expected"),
    [
        ("owner", "members:write", True),
        ("admin", "members:write", True),
        ("developer", "members:write", False),
        ("developer", "keys:write", True),
        ("developer", "environment:write", False),
        ("operator", "environment:write", True),
        ("operator", "subscriptions:write", True),
        ("operator", "keys:read", False),
        ("support", "deliveries:write", True),
        ("support", "subscriptions:write", False),
        ("viewer", "events:read", True),
        ("viewer", "deliveries:write", False),
        ("viewer", "audit:read", False),
        ("stranger", "events:read", False),
    ],
)
def test_a_role_has_what_the_table_says(role: str, permission: str, expected: bool) -> None:
    assert roles.may(role, permission) is expected


def test_an_unknown_permission_is_a_mistake_and_not_a_no() -> None:
    with pytest.raises(KeyError, match="not a permission"):
        roles.may("owner", "event:write")


def test_each_role_contains_the_one_below_it() -> None:
    for higher, lower in (
        ("owner", "admin"),
        ("admin", "developer"),
        ("admin", "operator"),
        ("developer", "support"),
        ("operator", "support"),
        ("support", "viewer"),
    ):
        assert roles.PERMISSIONS[higher] >= roles.PERMISSIONS[lower], (higher, lower)


@pytest.mark.parametrize(
    ("role", "old", "new", "expected"),
    [
        ("owner", "owner", "viewer", True),
        ("admin", None, "developer", True),
        ("admin", None, "owner", False),
        ("admin", "owner", "viewer", False),
        ("admin", "owner", None, False),
        ("developer", None, "viewer", False),
    ],
)
def test_only_owners_make_or_unmake_owners(
    role: str, old: str | None, new: str | None, expected: bool
) -> None:
    assert roles.may_change_member(role, old=old, new=new) is expected


def test_a_consumers_key_can_have_nothing_of_the_environment() -> None:
    refused = roles.unknown_scopes(roles.SCOPES, for_consumer=True)
    assert refused == [
        "consumers:write",
        "keys:read",
        "keys:write",
        "members:read",
        "members:write",
        "audit:read",
        "environment:read",
        "environment:write",
    ]
    assert roles.unknown_scopes(["events:write", "nonsense"], for_consumer=False) == ["nonsense"]
