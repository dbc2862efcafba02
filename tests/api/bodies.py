"""What each address of the API is tried with as a stranger: bodies and queries that its owner would get through with."""

from __future__ import annotations

from typing import Any

NEW_SUBSCRIPTION = {"url": "https://hooks.example.com/", "patterns": ["*"]}
# A body that the owner would get through with: a refusal must not be owed to the body. A new address needs
# an entry here, or the test of its coverage fails.
BODIES: dict[tuple[str, str], Any] = {
    ("environment", "PATCH"): {"paused": True},
    ("consumers", "POST"): {"uid": "newcomer"},
    ("consumer", "PATCH"): {"name": "Changed"},
    ("subscriptions", "POST"): NEW_SUBSCRIPTION,
    ("subscription", "PATCH"): {"patterns": ["changed"]},
    **{(f"subscription-{verb}", "POST"): None for verb in ("pause", "resume", "enable", "disable")},
    ("secrets-rotate", "POST"): {"overlap_s": 0},
    ("secrets-reveal", "POST"): None,
    ("keys", "POST"): {"scopes": ["events:write"]},
    ("key", "PATCH"): {"name": "changed"},
    ("members", "POST"): {"email": "new@example.com", "role": "viewer"},
    ("member", "PATCH"): {"role": "viewer"},
    ("configuration-diff", "POST"): {"document": {"version": 1}},
    ("configuration-apply", "POST"): {"document": {"version": 1}},
    ("replays", "POST"): {"search": "status:dead"},
    **{(f"replay-{verb}", "POST"): None for verb in ("start", "pause", "resume", "cancel")},
    ("projections", "POST"): {"pattern": "strange.*", "semantics": "snapshot"},
    ("projection", "PATCH"): {"keys": ["changed"]},
    ("deliveries-requeue", "POST"): {"type": "order.*"},
    ("deliveries-cancel", "POST"): {"subscription": "{subscription}"},
    **{(f"delivery-{verb}", "POST"): None for verb in ("retry", "cancel", "requeue")},
    ("sinks", "POST"): {"name": "newcomer"},
    ("sink", "PATCH"): {"name": "changed"},
    ("positions", "POST"): {"name": "newcomer"},
    ("position", "PATCH"): {"types": ["changed"]},
    ("position-seek", "POST"): {"to": "beginning"},
    ("position-read", "POST"): {"limit": 1},
    **{(f"position-{verb}", "POST"): {"lease": "{lease}"} for verb in ("ack", "extend", "release")},
}
# What a query must hold to get through.
QUERIES = {
    "event-log": "?shard={shard}", "statistics-top": "?by=subscription", "entities": "?type=order.created",
    "entity-state": "?subject=order-1", "entity-timeline": "?subject=order-1",
}  # fmt: skip
NAMED_IN_THE_BODY = {"deliveries-cancel"}
PUBLIC = {"openapi"}
# Members belong to the tenant: the key of another of its environments reaches them on purpose.
OF_THE_TENANT = {"members", "member"}
