"""Order by subject, against a list of what was sent: whatever fails, a subject's deliveries end in their order."""

from __future__ import annotations

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from hub.delivery.items import Item
from hub.delivery.lane import Lane, Store
from hub.delivery.order import Order
from hub.delivery.recorder import subject_hash
from tests.delivery.test_lane import endpoint, event


class Ground:
    """Plays the dispatcher and the tables: held rows are released one at a time, retries come back as dues."""

    def __init__(self) -> None:
        self.lane = Lane(endpoint(ordering="subject", parallelism=100), Store())
        self.held: dict[int, list[Item]] = {}
        self.dues: deque[Item] = deque()
        self.order = Order(hold=self._hold, release=self._release)
        self.ended: list[tuple[str, int]] = []

    def _hold(self, lane: Lane, item: Item) -> None:
        key = subject_hash(item)
        assert key is not None
        self.held.setdefault(key, []).append(item)

    def _release(self, sub: int, subject: int) -> None:
        waiting = self.held.get(subject, [])
        if waiting:
            waiting.sort(key=lambda item: item.event.seq)
            item = waiting.pop(0)
            item.due = True
            self.dues.append(item)

    def start(self, item: Item) -> bool:
        self.lane.in_flight += 1
        return self.order.may_go(self.lane, item)

    def end(self, item: Item, *, final: bool) -> None:
        self.lane.finished(item)
        if item.due:
            self.lane.retries_in_flight += 1
        self.order.ended(self.lane, item, final=final)
        if final:
            self.ended.append((item.event.subject or "", item.event.seq))
        else:
            item.due = True
            self.dues.append(item)


@given(
    st.lists(st.sampled_from("abc"), min_size=1, max_size=25),
    st.lists(st.booleans(), max_size=60),
    st.lists(st.integers(0, 5), max_size=200),
)
def test_each_subject_ends_in_order_and_everything_ends(
    subjects: list[str], failures: list[bool], choices: list[int]
) -> None:
    ground = Ground()
    todo = deque(Item(event(seq, subject=name), None) for seq, name in enumerate(subjects, 1))
    flying: list[Item] = []
    fails, picks = iter(failures), iter(choices)
    for _ in range(5000):
        choice = next(picks, 0)
        if todo and choice % 3 != 2:
            item = todo.popleft()
            ground.lane.firsts.append(item)
            ground.lane.add_weight(item.event.weight)
        elif ground.lane.firsts and choice % 3 != 1:
            item = ground.lane.firsts.popleft()
            ground.lane.add_weight(-item.event.weight)
            if ground.start(item):
                flying.append(item)
        elif ground.dues and choice % 2 == 0:
            item = ground.dues.popleft()
            if ground.start(item):
                flying.append(item)
        elif flying:
            item = flying.pop(choice % len(flying))
            ground.end(item, final=not next(fails, False))
        elif not (todo or ground.dues or ground.lane.firsts):
            break
        assert len({item.event.subject for item in flying}) == len(flying)
    for name in set(subjects):
        expected = [seq for seq, other in enumerate(subjects, 1) if other == name]
        assert [seq for subject, seq in ground.ended if subject == name] == expected
    assert ground.lane.subjects == {}
