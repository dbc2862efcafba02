"""A position and its events in tables that every session sees, for readers at the same time; and short words for reading."""

from __future__ import annotations

from django.db import connection

from hub.consumption import services
from hub.consumption.models import Position
from hub.consumption.selectors import BEGINNING
from hub.consumption.services.reading import Batch
from hub.core import ids
from hub.tenants.models import Consumer, Environment, Tenant
from hub.tenants.roles import EVERYTHING
from hub.tenants.scoping import Scope
from tests.api.client import Api
from tests.cast import Cast
from tests.eventlog import rows
from tests.eventlog.rows import Row


def leased_position(api: Api, name: str, *, by: str) -> dict[str, str]:
    """A position that is read from, by its `name` or `id`, and the lease that is out."""
    made = api.post("/consumption", {"name": name, "from": "beginning"}).json()
    lease = api.post(f"/consumption/{name}/read", {"lease": 600}).json()["lease"]
    assert lease is not None
    return {"position": made[by], "lease": lease}


def bound(cast: Cast) -> Scope:
    """As a key of Acme's."""
    scope = cast.alice.scope
    return Scope(scope.tenant_id, scope.environment_id, cast.acme.id, "key", "key_1", scope.scopes)


def read(scope: Scope, ref: str = "ledger", **more: int) -> Batch:
    return services.read(scope=scope, ref=ref, **more)


def seqs(batch: Batch) -> list[int]:
    return [row.seq for row in batch.events if row.seq is not None]


def given(*events: Row) -> list[int]:
    return [event.seq for event in events]


def take(scope: Scope, ref: str = "ledger", **more: int) -> list[int]:
    """Read and acknowledge; the offsets."""
    batch = read(scope, ref, **more)
    if batch.lease is not None:
        services.ack(scope=scope, ref=ref, lease=batch.lease)
    return seqs(batch)


def expire() -> None:
    """As if every lease's time were over, without waiting for it."""
    with connection.cursor() as cursor:
        for table, column in (("consumption_mark", "lease_until"), ("consumption_lease", "until")):
            cursor.execute(
                f"update {table} set {column} = clock_timestamp() - interval '1 ms' where {column} is not null"
            )


class Stage:
    """One environment with a shard and two consumers with one each, a position from the beginning. No audit, so that it can go."""

    def __init__(self) -> None:
        uid = ids.new_id("ten")
        self.tenant = Tenant.objects.create(uid=uid, name="Pull", slug=uid[4:])
        self.env = Environment.objects.create(
            uid=ids.new_id("env"), tenant=self.tenant, name="live", kind="live", shard=50
        )
        self.consumers = [
            Consumer.objects.create(
                public_id=ids.new_id("con"), uid=f"c{shard}", environment=self.env, shard=shard
            )
            for shard in (51, 52)
        ]
        self.scope = Scope(self.tenant.id, self.env.id, None, "key", "key_1", EVERYTHING)
        self.position = Position.objects.create(
            uid=ids.new_id("pos"), environment=self.env, name="ledger", types=["order.*"], origin_seq=self.end(),
            origin_day=BEGINNING,
        )  # fmt: skip

    @staticmethod
    def end() -> int:
        with connection.cursor() as cursor:
            cursor.execute("select case when is_called then last_value else 0 end from event_seq")
            return int(cursor.fetchone()[0])

    def event(self, number: int = 0, type: str = "order.made") -> Row:
        """In one of the three shards."""
        return rows.event(self.env, consumer=[None, *self.consumers][number % 3], type=type)

    def leave(self) -> None:
        Position.objects.filter(environment=self.env).delete()
        for consumer in self.consumers:
            consumer.delete()
        self.env.delete()
        self.tenant.delete()
