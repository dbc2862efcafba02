"""Who reacts to what, in one place: the tasks beat sends, by name, with their interval in seconds."""

from __future__ import annotations

SCHEDULE = {
    "trim-idempotency": {"task": "hub.eventlog.tasks.trim_idempotency", "schedule": 60.0},
    "trim-answers": {"task": "hub.api.tasks.trim_answers", "schedule": 300.0},
    "trim-leases": {"task": "hub.consumption.tasks.trim_leases", "schedule": 300.0},
}
