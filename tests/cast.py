"""The fixed cast: Alice owns tenant A, Bob is a member of A, Charlie is in tenant B; all with environments
and keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from hub.tenants import roles, scoping
from hub.tenants.models import Consumer, Environment, Member, Tenant, User
from hub.tenants.scoping import Scope
from hub.tenants.services import consumers, keys, members, tenants

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody, with a membership and a full key to the live and the test environment of the tenant."""

    user: User
    member: Member
    tenant: Tenant
    live: Environment
    test: Environment
    live_key: str
    test_key: str

    @property
    def scope(self) -> Scope:
        return scoping.member(member=self.member, environment=self.live)

    @property
    def test_scope(self) -> Scope:
        return scoping.member(member=self.member, environment=self.test)


@dataclass(frozen=True, slots=True)
class Cast:
    """Acme and Globex are consumers of tenant A's live environment, each with a key of its own."""

    alice: Person
    bob: Person
    charlie: Person
    acme: Consumer
    acme_key: str
    globex: Consumer
    globex_key: str


def make_cast() -> Cast:
    """All of them, made by the services. Needs a database."""
    alice = make_person(email="alice@a.example", slug="tenant-a", role="owner")
    bob = _join(alice, email="bob@a.example", role="developer")
    charlie = make_person(email="charlie@b.example", slug="tenant-b", role="owner")
    acme, acme_key = _consumer(alice, "acme")
    globex, globex_key = _consumer(alice, "globex")
    return Cast(alice, bob, charlie, acme, acme_key, globex, globex_key)


def make_person(*, email: str, slug: str, role: str) -> Person:
    """A tenant of its own, with one member."""
    tenant = tenants.create(name=slug.title(), slug=slug)
    live = tenants.create_environment(tenant=tenant, name="live", kind="live")
    test = tenants.create_environment(tenant=tenant, name="test", kind="test")
    member = members.add(scope=scoping.staff(tenant=tenant, actor="tests"), email=email, role=role)
    return Person(member.user, member, tenant, live, test, full_key(live), full_key(test))


def full_key(environment: Environment, *, consumer: str | None = None) -> str:
    """The text of a key with every scope there is."""
    scopes = roles.SCOPES if consumer is None else sorted(roles.CONSUMER_SCOPES)
    scope = scoping.system(environment=environment, actor="tests")
    return keys.create(scope=scope, name="full", scopes=scopes, now=NOW, consumer=consumer)[1]


def _join(host: Person, *, email: str, role: str) -> Person:
    member = members.add(scope=host.scope, email=email, role=role)
    return Person(
        member.user, member, host.tenant, host.live, host.test, full_key(host.live), full_key(host.test)
    )


def _consumer(host: Person, uid: str) -> tuple[Consumer, str]:
    consumer = consumers.create(scope=host.scope, uid=uid, name=uid.title())
    return consumer, full_key(host.live, consumer=uid)
