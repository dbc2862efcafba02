"""The admin: staff look at everything but secrets, change next to nothing, and others are kept out."""

from __future__ import annotations

import pytest
from django.test import Client

from hub.subscriptions import services
from hub.tenants.models import ApiKey, AuditEntry, Tenant, User
from tests.cast import Cast

LISTS = (
    *("tenants/user", "tenants/tenant", "tenants/environment", "tenants/consumer", "tenants/member"),
    *("tenants/apikey", "tenants/auditentry", "subscriptions/subscription"),
)


@pytest.fixture
def staff(cast: Cast, client: Client) -> Client:
    fields = {"url": "https://hooks.example.com/", "patterns": ["*"], "headers": {"X-A": "s3cret"}}
    services.create(scope=cast.alice.scope, fields=fields)
    client.force_login(User.objects.create_superuser("ops@hub.example"))
    return client


@pytest.mark.parametrize("name", LISTS)
def test_staff_can_look_at_every_list_and_row(staff: Client, name: str) -> None:
    listed = staff.get(f"/admin/{name}/?q=a")
    assert listed.status_code == 200
    row = listed.context["cl"].model.objects.first()
    shown = staff.get(f"/admin/{name}/{row.pk}/change/")
    assert shown.status_code == 200
    assert "s3cret" not in shown.content.decode()
    assert name == "tenants/user" or staff.get(f"/admin/{name}/add/").status_code == 403
    assert staff.post(f"/admin/{name}/{row.pk}/delete/").status_code == 403


def test_a_keys_hash_is_not_shown(staff: Client) -> None:
    key = ApiKey.objects.first()
    html = staff.get(f"/admin/tenants/apikey/{key.pk}/change/").content.decode()
    assert key.prefix in html
    assert bytes(key.hash).hex() not in html
    assert "Hash" not in html


def test_the_kill_switch_goes_through_the_service(cast: Cast, staff: Client) -> None:
    body = {"action": "suspend", "_selected_action": [cast.charlie.tenant.pk]}
    assert staff.post("/admin/tenants/tenant/", body).status_code == 302
    assert Tenant.objects.get(slug="tenant-b").suspended is True
    assert Tenant.objects.get(slug="tenant-a").suspended is False
    entry = AuditEntry.objects.get(action="tenant.suspended")
    assert (entry.actor_kind, entry.actor, entry.ip) == ("staff", "ops@hub.example", "127.0.0.1")


def test_members_without_staff_rights_are_kept_out(cast: Cast, client: Client) -> None:
    client.force_login(cast.alice.user)
    for name in LISTS:
        assert client.get(f"/admin/{name}/").status_code == 302
