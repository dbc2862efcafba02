"""Searching through the API among a million deliveries: pages by columns, each key alone and together, and pages by bodies.

The value of a row is the p95 of its slowest query; the note tells every query's.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import httpx

from bench import past
from bench.figures import Figure
from bench.past import Past
from bench.processes import BenchFailed
from bench.stage import Stage
from bench.wire import percentile

COLUMNS, BODIES = (4, 6), (2, 5)
"""How often each query is begun, and how many of its pages are read then at most."""


def searching(stage: Stage) -> list[Figure]:
    """Needs a fresh hub."""
    there = past.make(stage.hub, stage.players[0], deliveries=stage.size(1_000_000, 60_000))
    stage.hub.wait_until_quiet()
    with stage.hub.api(there.player) as api:
        columns = [_asked(api, "deliveries", text, *COLUMNS) for text in of_columns(there)]
        columns += [_asked(api, "events", text, *COLUMNS) for text in of_events(there)]
        bodies = [_asked(api, path, text, *BODIES) for path, text in of_bodies()]
    slowest, slowest_body = max(told[0] for told in columns), max(told[0] for told in bodies)
    return [
        Figure("search_columns", slowest, _note(columns)),
        Figure("search_body", slowest_body / 1000, _note(bodies)),
    ]


def of_columns(past: Past) -> list[str]:
    """Each key alone, with values that are frequent, rare and not there at all; then several together."""
    return [
        "", "status:delivered", "status:dead", "status:failed", "status:retrying", "status:waiting", "status:held",
        "status:open", "status:cancelled", "status:expired", "-status:delivered",
        "type:order.created", "type:kind7.changed", "type:rare.refund", "type:none", "type:order.*", "type:rare.*", "type:no.*",
        "-type:order.created,order.paid", f"sub:{past.busy}", f"sub:{past.quiet}", "sub:nobody", f"consumer:{past.consumer}",
        "consumer:customer-1*", "consumer:*", "-consumer:*", f"subject:{past.subject}", "subject:order-7*", "subject:none",
        "code:2xx", "code:5xx", "code:429", "code:503", "code:timeout", "code:dns", "code:401", "-code:2xx",
        "attempt:1", "attempt:>1", "attempt:>3", "attempt:>9", "attempt:0", "latency:>800ms", "latency:>2s", "latency:<2ms",
        "latency:>20s", "since:24h", "since:90s", "before:6d", past.event, past.delivery,
        "status:dead,retrying type:order.* code:5xx|429|timeout since:24h", f"sub:{past.busy} status:dead",
        f"consumer:{past.consumer} status:failed code:5xx since:3d", f"sub:{past.busy} type:rare.refund",
        f"sub:{past.quiet} type:order.created latency:>800ms", "status:dead type:rare.refund", "status:retrying code:timeout",
        f"type:order.paid status:delivered attempt:>1 -consumer:{past.consumer}", "code:503 attempt:>3 latency:>50ms",
        f"subject:{past.subject} status:delivered", "status:waiting type:order.*", "status:delivered latency:>2s since:12h",
    ]  # fmt: skip


def of_events(past: Past) -> list[str]:
    """The same of events."""
    return [
        "", "type:order.created", "type:rare.refund", "type:rare.*", "type:none", "type:no.*", f"consumer:{past.consumer}",
        "consumer:customer-1*", "-consumer:*", f"subject:{past.subject}", "subject:order-77*", "since:24h type:kind7.changed",
        past.event,
    ]  # fmt: skip


def of_bodies() -> list[tuple[str, str]]:
    """Values that are frequent, rare and not there at all, with columns before them and without."""
    return [
        ("events", "body.customer.id:77"), ("events", "body.customer.plan:team"), ("events", '"needle in a haystack"'),
        ("events", "body.nothing:1"), ("deliveries", "body.customer.id:77"), ("deliveries", '"needle in a haystack"'),
        ("deliveries", "status:dead body.customer.plan:team"), ("deliveries", "type:order.* body.total:>300 since:24h"),
        ("deliveries", "header.x-id:h77*"),
        ("deliveries", "header.x-id:h4770 status:failed"), ("deliveries", "thanks status:failed"),
    ]  # fmt: skip


def _asked(api: httpx.Client, path: str, text: str, times: int, pages: int) -> tuple[float, str]:
    """p95 of a page in ms, and what is told of the query."""
    took: list[int] = []
    told: Counter[str] = Counter()
    for _ in range(times):
        cursor: dict[str, Any] = {}
        for number in range(pages):
            begun = time.perf_counter_ns()
            answer = api.get(f"/{path}", params={"search": text, **cursor})
            took.append(time.perf_counter_ns() - begun)
            if answer.status_code != 200:
                raise BenchFailed(
                    f"{path}?search={text} was answered {answer.status_code}: {answer.text[:300]}"
                )
            page = answer.json()
            told["rows"] += len(page["data"])
            told["pages"] += 1
            told["empty"] += not page["data"]
            told["first"] += len(page["data"]) if not number else 0
            if not page["has_more"]:
                break
            cursor = {"cursor": page["next_cursor"]}
    took.sort()
    p50, p95 = percentile(took, 0.5), percentile(took, 0.95)
    each = told["pages"] // times
    more = f", {told['empty'] // times} of {each} pages empty" if told["empty"] and each > 1 else ""
    return p95, f"{path} [{text}] {p50:.1f}/{p95:.1f} ms, {told['first'] // times} rows at once{more}"


def _note(queries: list[tuple[float, str]]) -> str:
    worst = sorted(queries, key=lambda told: -told[0])
    return f"p50/p95 of {len(queries)} queries, the slowest first: {'; '.join(text for _, text in worst)}"
