"""Loading every subscription costs by their number alone, with the plans that an owner's session is held to."""

from __future__ import annotations

import pytest

from hub.eventlog.connect import PLANS, open_session
from hub.routing import roster


@pytest.mark.parametrize("statement", [roster.ALL, roster.CHANGED])
async def test_secrets_are_looked_up_by_their_subscription(log_database: str, statement: str) -> None:
    session = await open_session(name="owner", **PLANS)
    explained = await session.execute("explain (costs off) " + statement.replace("%(known)s", "5"))
    plan = "\n".join(row[0] for row in await explained.fetchall())
    await session.close()
    # Once for their values, once for their ends; none of them by walking all secrets.
    assert plan.count("Index Cond: (subscription_id = s.id)") == 2, plan
    assert "Filter: (subscription_id" not in plan
