"""Who reacts to what, in one place: who folds which facts, and the tasks beat sends with their interval in seconds."""

from __future__ import annotations

# Folded by the owner of each shard, in this order.
REACTORS = (
    "hub.insights.reactors.Deliveries",  # attempts → counts and latencies by minute, hour and day
    "hub.insights.reactors.Events",  # routed events → counts by minute, hour and day
    "hub.insights.entities.Entities",  # routed events → the latest of each subject and type, declared keys
)

SCHEDULE = {
    "trim-idempotency": {"task": "hub.eventlog.tasks.trim_idempotency", "schedule": 60.0},
    "index-projections": {"task": "hub.insights.tasks.index_projections", "schedule": 5.0},
    "feed-replays": {"task": "hub.replay.tasks.feed_replays", "schedule": 2.0},
    "trim-cells": {"task": "hub.insights.tasks.trim_cells", "schedule": 600.0},
    "forget-caught": {"task": "hub.sinks.tasks.forget_caught", "schedule": 60.0},
    "trim-answers": {"task": "hub.api.tasks.trim_answers", "schedule": 300.0},
    "trim-leases": {"task": "hub.consumption.tasks.trim_leases", "schedule": 300.0},
}
