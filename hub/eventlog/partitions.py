"""Day partitions: made two weeks ahead, by whoever notices first. It never takes a lock that ingest would wait behind."""

from __future__ import annotations

from typing import Any

AHEAD_DAYS = 14
LEAST_AHEAD_DAYS = 2

MISSING = """
select parent, d::date from unnest(%(parents)s::text[]) parent,
 generate_series(current_date - 1, current_date + %(ahead)s, interval '1 day') d
where to_regclass(parent || '_' || to_char(d, 'YYYYMMDD')) is null order by d, parent"""
MAKE = "select hub_make_day(%s, %s)"

DAYS_AHEAD = """
select count(*) from generate_series(current_date, current_date + 60, interval '1 day') d
where to_regclass('event_' || to_char(d, 'YYYYMMDD')) is not null"""


def wanted(parents: list[str]) -> dict[str, Any]:
    """Parameters of MISSING."""
    return {"parents": parents, "ahead": AHEAD_DAYS}
