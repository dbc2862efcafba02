"""Order by subject: one delivery of a subject at a time, the next when it has its end. It sends and records nothing itself.

While the open one is in flight, those behind it wait in memory; once it must be retried they become held rows, so that a
subject that fails for days costs no memory. Runs above 0 are unordered.
"""

from __future__ import annotations

from collections.abc import Callable

from hub.delivery.items import Item
from hub.delivery.lane import Lane, Subject
from hub.delivery.recorder import subject_hash


class Order:
    """`hold(lane, item)` records that an item waits as a row; `release(sub, subject)` asks for the next held one."""

    def __init__(self, *, hold: Callable[[Lane, Item], None], release: Callable[[int, int], None]) -> None:
        self._hold, self._release = hold, release

    def may_go(self, lane: Lane, item: Item) -> bool:
        """May it be sent now? If not, it was put where it waits and is no longer in flight."""
        key = subject_hash(item)
        if key is None or item.run:
            return True
        subject = lane.subjects.get(key)
        if subject is None:
            subject = lane.subjects[key] = Subject()
        if subject.busy and not subject.rows:
            lane.finished(item)
            subject.waiting.append(item)
            return False
        if subject.busy or (subject.rows and not item.due):
            self._to_row(lane, item, subject)
            return False
        subject.busy = True
        return True

    def _to_row(self, lane: Lane, item: Item, subject: Subject) -> None:
        if not item.due:
            subject.rows += 1
        lane.finished(item)
        self._hold(lane, item)

    def ended(self, lane: Lane, item: Item, *, final: bool) -> None:
        """An attempt of it is over; `final`: it has its end, otherwise a due row."""
        key = subject_hash(item)
        subject = lane.subjects.get(key) if key is not None and not item.run else None
        if key is None or subject is None:
            return
        subject.busy = False
        if not final:
            if not item.due:
                subject.rows += 1
            while subject.waiting:
                lane.in_flight += 1
                self._to_row(lane, subject.waiting.popleft(), subject)
            return
        if item.due:
            subject.rows -= 1
        if subject.rows > 0:
            self._release(lane.endpoint.id, key)
        elif subject.waiting:
            lane.firsts.extendleft(reversed(subject.waiting))
            lane.add_weight(sum(waiting.event.weight for waiting in subject.waiting))
            subject.waiting.clear()
        else:
            del lane.subjects[key]
