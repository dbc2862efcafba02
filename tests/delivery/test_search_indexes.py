"""The indexes that searches go by: on every day, used for what they are meant for, and free for a delivery that goes well."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hub.delivery.outcome import Reason
from hub.delivery.selectors import tried
from hub.delivery.selectors.tried import Index
from hub.eventlog.selectors import fetch
from hub.insights import search_meaning as meaning
from tests.cast import Cast, make_cast
from tests.eventlog import rows
from tests.eventlog.scene import subscribe

NAMES = (
    "attempt_failed",
    "attempt_failed_why",
    "attempt_failed_to",
    "attempt_cut_off",
    "attempt_repeated",
    "attempt_slow",
)
# Of a day's index, the name of the one on the parent.
PARENTS = "select c.relname, p.relname from pg_inherits i join pg_class c on c.oid = inhrelid join pg_class p on p.oid = inhparent"
PREDICATES = """select c.relname, pg_get_expr(indpred, indrelid) from pg_index join pg_class c on c.oid = indexrelid
where c.relname = any(%s)"""


@pytest.fixture
def cast(db: None) -> Cast:
    return make_cast()


def predicates() -> dict[str, str]:
    return dict(fetch(PREDICATES, [list(NAMES)]))


def holding(seq: int) -> set[str]:
    """The indexes that an attempt of this event is in."""
    return {
        name for name, predicate in predicates().items()
        if fetch(f"select 1 from attempt where seq = %s and ({predicate})", [seq])
    }  # fmt: skip


def test_every_day_has_them_and_one_that_is_made_gets_them(db: None) -> None:
    day = (datetime.now(UTC) - timedelta(days=700)).date()
    rows.run("select hub_make_day('attempt', %s)", day)
    days = fetch("select inhrelid::regclass::text from pg_inherits where inhparent = 'attempt'::regclass", [])
    assert f"attempt_{day:%Y%m%d}" in {name for (name,) in days}
    own = dict(fetch(PARENTS, []))
    for name in NAMES:
        assert sum(parent == name for parent in own.values()) == len(days)


def test_a_delivery_that_goes_well_at_once_is_in_none_of_them(cast: Cast) -> None:
    sub = subscribe(cast.alice.scope)
    well, slow, late, dead, cut = (rows.event(cast.alice.live) for _ in range(5))
    rows.delivered(sub, well, total_us=meaning.SLOW_US)
    rows.delivered(sub, slow, total_us=meaning.SLOW_US + 1)
    rows.delivered(sub, late, n=2)
    rows.dead(sub, dead)
    rows.dead(sub, cut, reason=Reason.read_timeout, http=200)
    assert len(predicates()) == len(NAMES)
    failed = {"attempt_failed", "attempt_failed_why", "attempt_failed_to"}
    assert [holding(row.seq) for row in (well, slow, late, dead, cut)] == [
        set(), {"attempt_slow"}, {"attempt_repeated"}, failed, failed | {"attempt_cut_off"},
    ]  # fmt: skip


def test_what_may_be_cut_off_after_its_status_is_what_the_index_holds() -> None:
    assert sorted(int(reason) for reason in meaning.CUT_OFF) == [8, 9, 10, 11]
    assert "(8, 9, 10, 11)" in tried.CUT_OFF
    assert tried.SLOW.where == f"a.total_us > {meaning.SLOW_US}"


@pytest.mark.parametrize(
    ("index", "leading", "name"),
    [
        (tried.FAILED, "env", "attempt_failed"), (tried.DEAD, "env", "attempt_dead"), (tried.ENDED, "env", "attempt_ended"),
        (tried.REPEATED, "env", "attempt_repeated"), (tried.SLOW, "env", "attempt_slow"),
        (Index(tried.CUT_OFF), "env", "attempt_cut_off"),
        (Index(f"{tried.CUT_OFF} AND a.reason <> ALL ('{{9}}')"), "env", "attempt_cut_off"),
        (Index(f"{tried.FAILED.where} AND a.reason = 5"), "env", "attempt_failed_why"),
        (tried.FAILED, "sub", "attempt_failed_to"), (Index(tried.CUT_SHORT), "sub", "attempt_failed_to"),
    ],
)  # fmt: skip
def test_each_way_down_has_its_index(db: None, index: Index, leading: str, name: str) -> None:
    # Without the index of all attempts none is left but the one that fits.
    for other in {"attempt_recent", "attempt_delivery", *NAMES} - {name}:
        rows.run(f"drop index {other}")
    rows.run("set local enable_seqscan = off")
    rows.run("set local enable_sort = off")
    sql = f"explain select 1 from attempt a where a.{leading} = 7 and {index.where} and a.day = current_date order by a.at desc"
    words = " ".join(line for (line,) in fetch(sql, [])).split()
    parents = {own: parent for own, parent in fetch(PARENTS, []) if parent != "attempt"}
    assert {parents[word] for word in words if word in parents} == {name}
