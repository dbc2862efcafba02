"""Walking an index of the log: windows, where to go on, and whose rows are looked at."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from hub.core import ids
from hub.eventlog import lists
from hub.eventlog.lists import Walk
from hub.eventlog.selectors import Conditions
from hub.tenants.scoping import Scope
from tests.cast import Cast, make_cast
from tests.eventlog.rows import Row, event, never_committed

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def shared(django_db_setup: None, django_db_blocker: Any) -> Iterator[Cast]:
    with never_committed(django_db_blocker):
        yield make_cast()


@pytest.fixture
def cast(shared: Cast, db: None) -> Cast:
    return shared


@pytest.fixture
def scope(cast: Cast) -> Scope:
    return cast.alice.scope


@pytest.fixture
def log(cast: Cast) -> list[Row]:
    """Five events of Alice's, the oldest first, and one of Charlie's in between."""
    made = [
        event(cast.alice.live, at=NOW - timedelta(days=9), type="a", subject="s"),
        event(cast.alice.live, at=NOW - timedelta(hours=3), type="b", subject="s", consumer=cast.acme),
        event(cast.alice.live, at=NOW - timedelta(hours=2), type="a", consumer=cast.globex),
        event(cast.alice.live, at=NOW - timedelta(hours=1), type="c", subject="t"),
        event(cast.alice.live, at=NOW, type="b", subject="s", consumer=cast.acme),
    ]
    event(cast.charlie.live, at=NOW - timedelta(hours=1), type="a", subject="s")
    return made


def rest(sql: str, *values: Any) -> Conditions:
    found = Conditions()
    found.add(sql, *values)
    return found


def walked(scope: Scope, walk: Walk, *, limit: int, window: int) -> list[int]:
    """Offsets of all rows, step by step."""
    found: list[int] = []
    before = None
    for _ in range(50):
        page = lists.events(scope=scope, walk=walk, before=before, limit=limit, window=window)
        assert len(page.rows) <= limit
        found += [row.seq for row in page.rows]
        if page.next is None:
            return found
        assert before is None or page.next < before
        before = page.next
    raise AssertionError("the walk has no end")


def ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


@pytest.mark.parametrize(("limit", "window"), [(1, 1), (1, 2), (2, 2), (2, 3), (50, 50)])
@pytest.mark.parametrize(
    ("column", "values", "wanted"),
    [
        ("", [], [4, 3, 2, 1, 0]), ("type", ["a"], [2, 0]), ("type", ["a", "c", "none"], [3, 2, 0]), ("type", [], []),
        ("subject", ["s"], [4, 1, 0]), ("subject", ["t", "s"], [4, 3, 1, 0]), ("subject", [""], []),
    ],
)  # fmt: skip
def test_every_index_gives_its_rows_once_newest_first(
    scope: Scope, log: list[Row], column: str, values: list[str], wanted: list[int], limit: int, window: int
) -> None:
    found = walked(scope, Walk(column, values), limit=limit, window=window)
    assert found == [log[number].seq for number in wanted]
    narrowed = walked(scope, Walk(column, values, rest("e.type = %s", "a")), limit=limit, window=window)
    assert narrowed == [log[number].seq for number in wanted if number in (0, 2)]


def test_a_window_that_found_nothing_says_where_it_ended(scope: Scope, log: list[Row]) -> None:
    page = lists.events(scope=scope, walk=Walk(rest=rest("e.type = 'a'")), before=None, limit=2, window=2)
    assert (page.rows, page.next) == ([], log[3].raw)
    page = lists.events(
        scope=scope, walk=Walk(rest=rest("e.type = 'a'")), before=log[3].raw, limit=2, window=3
    )
    assert ([row.seq for row in page.rows], page.next) == ([log[2].seq, log[0].seq], log[0].raw)


def test_times_are_bounds_of_the_id(scope: Scope, log: list[Row]) -> None:
    since, until = ms(NOW - timedelta(hours=3)), ms(NOW - timedelta(hours=1))
    assert walked(scope, Walk(since=since, until=until), limit=5, window=5) == [log[2].seq, log[1].seq]
    assert walked(scope, Walk(until=since), limit=5, window=5) == [log[0].seq]
    assert walked(scope, Walk(since=0, until=2**60), limit=5, window=5) == [row.seq for row in reversed(log)]


def test_ids_and_consumers_are_looked_up(cast: Cast, scope: Scope, log: list[Row]) -> None:
    wanted = [UUID(bytes=row.raw) for row in (log[0], log[3])] + [UUID(bytes=ids.uuid7())]
    assert walked(scope, Walk("id", wanted), limit=1, window=1) == [log[3].seq, log[0].seq]
    assert walked(cast.charlie.scope, Walk("id", wanted), limit=1, window=1) == []
    both = Walk("consumer", [cast.acme.id, cast.globex.id])
    assert walked(scope, both, limit=2, window=2) == [log[n].seq for n in (4, 2, 1)]
    assert walked(cast.charlie.scope, both, limit=2, window=2) == []


def test_of_a_consumers_key_no_row_of_others_is_even_counted(
    cast: Cast, scope: Scope, log: list[Row]
) -> None:
    own = Scope(scope.tenant_id, scope.environment_id, cast.acme.id, "key", "key_1", scope.scopes)
    for walk in (
        Walk(),
        Walk("subject", ["s"]),
        Walk("type", ["b"]),
        Walk("consumer", [cast.acme.id, cast.globex.id]),
    ):
        page = lists.events(scope=own, walk=walk, before=None, limit=1, window=1)
        assert [row.seq for row in page.rows] == [log[4].seq]
        page = lists.events(scope=own, walk=walk, before=page.next, limit=1, window=1)
        assert ([row.seq for row in page.rows], page.next) == ([log[1].seq], log[1].raw)
        assert lists.events(scope=own, walk=walk, before=page.next, limit=1, window=1).next is None


def test_the_types_that_there_are_are_found_one_by_one(cast: Cast, scope: Scope, log: list[Row]) -> None:
    assert lists.types_of(scope=scope, walk=Walk(), most=10) == ["a", "b", "c"]
    assert lists.types_of(scope=scope, walk=Walk(), most=2) == ["a", "b"]
    assert lists.types_of(scope=cast.charlie.scope, walk=Walk(), most=10) == ["a"]
    assert lists.types_of(scope=cast.alice.test_scope, walk=Walk(), most=10) == []


def test_data_is_loaded_for_many_at_once(scope: Scope, log: list[Row]) -> None:
    rows = lists.events(scope=scope, walk=Walk(), before=None, limit=9, window=9).rows
    assert lists.data_of(rows) == {row.key: b'{"n":1.10}' for row in rows}
    assert lists.data_of([]) == {}
