"""Every address and method of the API, tried by those whom it is not for: refused, and nothing changed."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from hub.consumption.models import Lease, Mark, Position
from hub.eventlog.selectors import fetch
from hub.insights.models import Projection
from hub.replay.models import Job
from hub.subscriptions.models import Secret, Subscription
from hub.tenants.models import ApiKey, AuditEntry, Consumer, Environment, Member
from hub.tenants.scoping import staff
from hub.tenants.services.tenants import set_suspended
from tests.api.bodies import BODIES, NAMED_IN_THE_BODY, NEW_SUBSCRIPTION, OF_THE_TENANT, PUBLIC, QUERIES
from tests.api.client import Api
from tests.cast import Cast
from tests.consumption.stage import leased_position
from tests.eventlog import rows
from tests.sinks import rows as sinks


@dataclass(frozen=True, slots=True)
class Try:
    name: str
    method: str
    path: str
    names_a_row: bool
    body: Any

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def patterns() -> Iterator[tuple[str, str, list[str], Any]]:
    """(name, route, parameters, view) of every address of the API."""

    def walk(resolver: URLResolver, prefix: str) -> Iterator[tuple[str, str, list[str], Any]]:
        for entry in resolver.url_patterns:
            route = prefix + str(entry.pattern)
            if isinstance(entry, URLResolver):
                yield from walk(entry, route)
            elif isinstance(entry, URLPattern) and route.startswith("api/v1/"):
                yield str(entry.name), route, list(entry.pattern.converters), entry.callback

    return walk(get_resolver(), "")


def tries(world: World) -> Iterator[Try]:
    for name, route, parameters, view in patterns():
        if name in PUBLIC:
            continue
        for method in ("GET", "POST", "PATCH", "DELETE"):
            if not hasattr(view.view_class, method.lower()):
                continue
            for row in world.rows:
                path = route + QUERIES.get(name, "").format(**row)
                for parameter in parameters:
                    path = path.replace(f"<str:{parameter}>", row[parameter])
                body = BODIES.get((name, method))
                if name in NAMED_IN_THE_BODY or "{lease}" in str(body):
                    body = {key: value.format(**row) for key, value in body.items()}
                yield Try(name, method, "/" + path, bool(parameters) or name in NAMED_IN_THE_BODY, body)
                if not parameters and name not in NAMED_IN_THE_BODY:
                    break


@dataclass(frozen=True, slots=True)
class World:
    """Alice's live environment with something of each kind in it."""

    cast: Cast
    rows: list[dict[str, str]]

    @property
    def ids(self) -> set[str]:
        return {value for row in self.rows for name, value in row.items() if name != "shard"}

    def snapshot(self, *, but: Consumer | None = None) -> list[Any]:
        """Everything of it, and the tenant's members; without what one consumer owns."""
        live = self.cast.alice.live
        subscriptions, keys, positions = (
            rows if but is None else rows.exclude(consumer=but)
            for rows in (model.objects.filter(environment=live) for model in (Subscription, ApiKey, Position))
        )
        return [
            sinks.all_of(live),
            [{**row, "last_used_at": None} for row in keys.order_by("id").values()],
            *(
                list(found.order_by("id").values())
                for found in (
                    Environment.objects.filter(id=live.id),
                    Consumer.objects.filter(environment=live),
                    Member.objects.filter(tenant=live.tenant_id),
                    Projection.objects.filter(environment=live),
                    Job.objects.filter(environment=live).exclude(consumer=but.id if but else -1),
                    subscriptions,
                    positions,
                    Mark.objects.filter(position__in=positions),
                    Lease.objects.filter(position__in=positions),
                    Secret.objects.filter(subscription__in=subscriptions),
                    AuditEntry.objects.filter(target__in=self.ids),
                )
            ),
            *(
                fetch(
                    f"select * from {table} where sub = any(%s) order by 1, 2",
                    [[s.id for s in subscriptions]],
                )
                for table in ("command", "due", "parcel", "attempt", "ended")
            ),
        ]


@pytest.fixture
def world(cast: Cast, alice: Api) -> World:
    own = alice.post("/subscriptions", NEW_SUBSCRIPTION).json()["id"]
    acmes = alice.post("/subscriptions", {**NEW_SUBSCRIPTION, "consumer": "acme"}).json()["id"]
    keys = [row["id"] for row in alice.get("/keys").json()["data"]]
    member = alice.get("/members").json()["data"][0]["id"]
    projection = alice.post("/projections", {"pattern": "order.*", "semantics": "snapshot"}).json()["id"]
    replay = alice.post("/replays", {"search": "status:dead"}).json()["id"]
    both = {"member": member, "projection": projection, "replay": replay}
    found = [
        {"consumer": cast.acme.public_id, "subscription": own, "key": keys[0], **both},
        {"consumer": "acme", "subscription": acmes, "key": keys[-1], **both},
    ]
    for row in found:
        # A dead letter, and one that waits.
        subscription = Subscription.objects.get(uid=row["subscription"])
        first, second = (rows.event(cast.alice.live, consumer=subscription.consumer) for _ in range(2))
        rows.dead(subscription, first)
        rows.capture(subscription, first)
        rows.parcel(subscription, [second])
        row |= {"event": first.id, "delivery": first.delivery(subscription), "shard": str(first.shard)}
        row["sink"] = sinks.used(cast.alice.live)
        row["command"] = alice.post(f"/deliveries/{row['delivery']}/requeue").json()["command"]
    # One by its name in the environment, one that is a consumer's own by its id.
    found[0] |= leased_position(alice, "ledger", by="name")
    found[1] |= leased_position(Api(cast.acme_key), "ledger-of-acme", by="id")
    return World(cast, found)


def test_every_address_is_tried_with_a_fitting_body() -> None:
    known = {(name, method) for name, _, _, view in patterns() if name not in PUBLIC
             for method in ("POST", "PATCH") if hasattr(view.view_class, method.lower())}  # fmt: skip
    assert known == BODIES.keys(), "give each address and method with a body an entry in BODIES"
    found = {parameter for _, _, parameters, _ in patterns() for parameter in parameters}
    kinds = "consumer subscription key member event delivery command projection sink position replay"
    assert found == set(kinds.split()), "give the new kind a row in `world`"


def test_the_owner_gets_through_everywhere(world: World, alice: Api) -> None:
    # Without this, the refusals below would prove nothing.
    for attempt in tries(world):
        if attempt.method == "GET":
            assert alice.get(attempt.path).status_code == 200, attempt


def test_without_a_key_everything_is_401(world: World) -> None:
    before = world.snapshot()
    for key in (None, "tl_live_nonsense", "tl_live_" + "A" * 43):
        for attempt in tries(world):
            answer = Api(key)(attempt.method, attempt.path, attempt.body)
            assert answer.status_code == 401, attempt
            assert answer["WWW-Authenticate"].startswith("Bearer")
    assert world.snapshot() == before


def test_another_tenant_reaches_and_learns_nothing(world: World) -> None:
    refuse_all(world, Api(world.cast.charlie.live_key))


def test_another_environment_reaches_and_learns_nothing(world: World) -> None:
    refuse_all(world, Api(world.cast.alice.test_key), but=OF_THE_TENANT)


def test_another_consumer_reaches_and_learns_nothing(world: World) -> None:
    refuse_all(world, Api(world.cast.globex_key), consumer=world.cast.globex)


def refuse_all(
    world: World, stranger: Api, *, but: Collection[str] = (), consumer: Consumer | None = None
) -> None:
    before = world.snapshot(but=consumer)
    for attempt in tries(world):
        if attempt.name in but:
            continue
        answer = stranger(attempt.method, attempt.path, attempt.body)
        allowed = {404} if attempt.names_a_row else {200, 201, 202}
        # 422: a live environment can't have a sink.
        allowed |= {422} if attempt.name == "sinks" else set()
        assert answer.status_code in allowed | ({403} if consumer else set()), attempt
        seen = {found for found in world.ids if found in answer.content.decode()}
        assert not seen, f"{attempt} shows {seen}"
        assert world.snapshot(but=consumer) == before, attempt


@pytest.mark.parametrize("ref", ["acme", None])
def test_a_row_named_in_a_body_or_query_must_be_the_callers_own(world: World, ref: str | None) -> None:
    consumer = ref or world.cast.acme.public_id
    before = world.snapshot()
    for key in (world.cast.charlie.live_key, world.cast.alice.test_key, world.cast.globex_key):
        stranger = Api(key)
        for answer in (
            stranger.post("/subscriptions", {**NEW_SUBSCRIPTION, "consumer": consumer}),
            stranger.get(f"/subscriptions?consumer={consumer}"),
            stranger.post("/keys", {"scopes": ["events:write"], "consumer": consumer}),
            stranger.get(f"/keys?consumer={consumer}"),
            stranger.get(f"/events?consumer={consumer}"),
            stranger.get(f"/deliveries?consumer={consumer}"),
            stranger.get(f"/statistics?consumer={consumer}"),
            stranger.get(f"/entities/state?subject=order-1&consumer={consumer}"),
            *(stranger.get(f"/statistics?subscription={row['subscription']}") for row in world.rows),
            stranger.post("/consumption", {"name": "newcomer", "consumer": consumer}),
            stranger.get(f"/consumption?consumer={consumer}"),
            *(stranger.get(f"/deliveries?subscription={row['subscription']}") for row in world.rows),
            *(stranger.get(f"/deliveries?event={row['event']}") for row in world.rows),
            *(
                stranger.post("/deliveries/requeue", {"subscription": row["subscription"]})
                for row in world.rows
            ),
        ):
            assert answer.status_code in ((403, 404) if key == world.cast.globex_key else (404,))
    assert world.snapshot() == before


def test_a_cursor_opens_for_its_own_scope_only(world: World, alice: Api) -> None:
    cursor = alice.get("/subscriptions?limit=1").json()["next_cursor"]
    assert alice.get(f"/subscriptions?cursor={cursor}").status_code == 200
    for key in (world.cast.charlie.live_key, world.cast.alice.test_key, world.cast.acme_key):
        assert Api(key).get(f"/subscriptions?cursor={cursor}").status_code == 400
    assert alice.get(f"/consumers?cursor={cursor}").status_code == 400


def test_a_consumers_key_reaches_its_own_deliveries_and_commands(world: World) -> None:
    acme, (own, theirs) = Api(world.cast.acme_key), world.rows
    for name in (
        "events/{event}",
        "deliveries/{delivery}",
        "deliveries/{delivery}/attempts",
        "commands/{command}",
    ):
        assert acme.get("/" + name.format(**theirs)).status_code == 200
        assert acme.get("/" + name.format(**own)).status_code == 404
    assert acme.post(f"/deliveries/{theirs['delivery']}/requeue").status_code == 202
    listed = acme.get("/deliveries").json()["data"]
    assert {row["subscription"] for row in listed} == {theirs["subscription"]}
    assert len(listed) == 2
    assert {row["consumer"] for row in acme.get("/events").json()["data"]} == {world.cast.acme.public_id}


def test_a_kept_answer_is_for_its_own_scope_only(world: World) -> None:
    keys = (
        world.cast.alice.live_key,
        world.cast.acme_key,
        world.cast.globex_key,
        world.cast.charlie.live_key,
    )
    made = [Api(key).post("/subscriptions", NEW_SUBSCRIPTION, idempotency_key="one") for key in keys]
    assert [answer.status_code for answer in made] == [201] * 4
    assert len({answer.json()["id"] for answer in made}) == 4


def test_a_suspended_tenants_keys_are_refused(world: World) -> None:
    set_suspended(scope=staff(tenant=world.cast.alice.tenant, actor="ops"), suspended=True)
    for key in (world.cast.alice.live_key, world.cast.acme_key):
        assert Api(key).get("/subscriptions").status_code == 403
    assert Api(world.cast.charlie.live_key).get("/subscriptions").status_code == 200
