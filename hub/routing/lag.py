"""When routing runs late, say so once: events that waited longer than LATE_S make a hub.lag.high in their environment."""

from __future__ import annotations

from hub.delivery import notices
from hub.delivery.items import Event
from hub.delivery.notices import Notice

LATE_S = 30.0
QUIET_S = 600.0


class LagWatch:
    """Remembers when it last spoke of an environment."""

    def __init__(self) -> None:
        self._told: dict[int, float] = {}

    def late(self, events: dict[int, list[tuple[Event, list[str] | None]]], *, now: float) -> list[Notice]:
        """Notices for environments whose oldest event of this batch is late. Hub events are never the reason."""
        told = []
        for shard, batch in events.items():
            first = next((event for event, _ in batch if notices.may_cause(event)), None)
            if first is None:
                continue
            lag = now - first.created
            if lag > LATE_S and now - self._told.get(first.env, 0.0) > QUIET_S:
                self._told[first.env] = now
                told.append(Notice(
                    notices.LAG_HIGH, first.env, shard, first.consumer, "routing",
                    {"lag_s": round(lag, 1), "limit_s": LATE_S, "message": "Events wait longer than usual to be routed."},
                ))  # fmt: skip
        return told
