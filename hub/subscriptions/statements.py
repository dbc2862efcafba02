"""What the owner of a shard itself changes of a subscription, in its own session's transaction; people's changes are services."""

from __future__ import annotations

from typing import Any, Protocol

from hub.core import ids


class Session(Protocol):
    async def execute(
        self, query: Any, params: Any = None, *, prepare: bool | None = None, binary: bool = False
    ) -> Any: ...


# Rows are locked before counters, as every service does, so that the two never deadlock.
DISABLE = """
with l as materialized (select id from subscriptions_subscription
         where id = %(id)s and state <> 'disabled' and deleted_at is null for no key update),
 g as (insert into tenants_generation as g (name, value) select 'subscriptions', 1 from l
       on conflict (name) do update set value = g.value + 1 returning value),
 s as (update subscriptions_subscription x set state = 'disabled', state_reason = %(reason)s, state_since = now(),
         version = version + 1, generation = (select value from g), updated_at = now()
       from l where x.id = l.id returning x.id, x.uid, x.environment_id)
insert into tenants_auditentry (uid, tenant_id, environment_id, actor_kind, actor, action, target_kind, target, changes)
select %(audit)s, e.tenant_id, s.environment_id, 'system', 'engine', 'subscription.disabled', 'subscription', s.uid,
       jsonb_build_object('state', jsonb_build_array('active', 'disabled'), 'reason', %(reason)s::text)
from s join tenants_environment e on e.id = s.environment_id returning 1"""


async def disable(session: Session, *, subscription: int, reason: str) -> bool:
    """Disable it with an audit entry; False if it was so already or is gone. Runs inside the caller's transaction."""
    values = {"id": subscription, "reason": reason, "audit": ids.new_id("aud")}
    cursor = await session.execute(DISABLE, values)
    return cursor.rowcount > 0
