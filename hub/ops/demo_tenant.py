"""The tenant a new installation starts with: an owner who may sign in, a live and a test environment, a key for each."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from django.db import transaction
from django.utils import timezone

from hub.tenants.models import Environment, Tenant, User
from hub.tenants.roles import EVERYTHING
from hub.tenants.scoping import Scope
from hub.tenants.services import keys, members, tenants

EMAIL = "owner@example.com"
SLUG = "demo"


@dataclass(frozen=True, slots=True)
class Demo:
    """What a newcomer needs; kept in a file that only this user can read, since keys are stored as hashes."""

    email: str
    password: str
    live_key: str
    test_key: str


def scope_of(environment: Environment) -> Scope:
    return Scope(environment.tenant_id, environment.id, None, "system", "demo", EVERYTHING)


@transaction.atomic
def _make() -> Demo:
    password = secrets.token_urlsafe(9)
    User.objects.create_superuser(EMAIL, password, name="Demo owner")
    tenant = tenants.create(name="Demo", slug=SLUG)
    texts = {}
    for kind in ("live", "test"):
        environment = Environment.objects.filter(
            tenant=tenant, kind=kind
        ).first() or tenants.create_environment(tenant=tenant, name=kind, kind=kind)
        _, texts[kind] = keys.create(
            scope=scope_of(environment), name="demo", scopes=sorted(EVERYTHING), now=timezone.now()
        )
    members.add(scope=scope_of(environment), email=EMAIL, role="owner")
    return Demo(EMAIL, password, texts["live"], texts["test"])


def ensure(path: Path) -> Demo | None:
    """Make the demo tenant once; later the same answer from the file, or None when the file is gone."""
    if path.exists():
        return Demo(**json.loads(path.read_text()))
    if Tenant.objects.exists():
        return None
    demo = _make()
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        json.dump(asdict(demo), file)
    return demo
