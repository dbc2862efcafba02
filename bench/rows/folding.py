"""What read models cost: how far they are behind under load, what the path loses by them, and how fast they answer."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from bench.figures import Figure
from bench.rows.path import sustained
from bench.stage import Stage

LAG_RATE = 6_000
# Age of the oldest attempt that is recorded and not folded.
BEHIND = """
select coalesce(max(extract(epoch from clock_timestamp() - a.at)), 0)::float8 from unnest(%s::int2[]) s(shard)
cross join lateral (select coalesce((select pos from reactor_step r where r.name = 'deliveries' and r.shard = s.shard
                                     order by step desc limit 1), 0) as pos) c
cross join lateral (select at from attempt x where x.shard = s.shard and x.pos > c.pos order by x.pos limit 1) a"""
FOLDED = "select coalesce(sum(attempts), 0)::int8 from insight_deliveries where env = any(%s) and kind = 0 and grain = 2"

# Two years of days, two months of hours and two days of minutes, as 100 M attempts in 30 days leave them: of the environment, of
# 200 subscriptions and 30 types. The latency of each row has a hundred buckets.
ROWS = """
insert into insight_deliveries
select %(env)s, k.kind, k.ref, g.grain, date_trunc(g.unit, now()) - n * g.step, %(shard)s, k.per * g.factor, k.per * g.factor / 50, 0,
       k.per * g.factor, 0, 0, 0, 0, 1000 * k.per * g.factor, 0, 20000 * k.per * g.factor, 3000 * k.per * g.factor, 900000, 900000,
       %(reasons)s, %(latency)s, %(latency)s
from (values (0, 'minute', interval '1 minute', 2880, 1), (1, 'hour', interval '1 hour', 1440, 60), (2, 'day', interval '1 day', 730, 1440))
       g(grain, unit, step, many, factor)
cross join (select 0 as kind, '' as ref, 2315::int8 as per union all select 2, n::text, 12::int8 from generate_series(1, 200) n
            union all select 3, 'type.' || n, 77::int8 from generate_series(1, 30) n) k
cross join lateral generate_series(0, case when k.kind = 0 then g.many else g.many / 10 end) n"""

# As hub.insights.histogram encodes them: the version, then of each bucket its distance from the one before and its count.
LATENCIES = b"\x01\xc8\x01\x25" + b"\x01\x25" * 99
REASONS = b"\x01" + b"\x01\x25" * 5


def folding(stage: Stage) -> list[Figure]:
    subscriptions = stage.subscribe()
    shards = sorted({s.player.shard for s in subscriptions})
    behind: list[float] = []
    told = stage.load(
        connections=64, seconds=stage.seconds(20, 4), rate=LAG_RATE, every_s=0.2,
        sample=lambda: behind.append(stage.hub.sql(BEHIND, shards)[0][0]),
    )  # fmt: skip
    stage.settle(subscriptions)
    envs = [s.player.env for s in subscriptions]
    until = time.monotonic() + 10
    while (folded := stage.hub.number(FOLDED, envs)) < told["accepted"] and time.monotonic() < until:
        time.sleep(0.05)
    note = f"{told['rate']:.0f} events/s, {folded} of {told['accepted']} folded, median {quantile(behind, 0.5):.2f} s"
    lag = Figure("fold_lag", max(behind) if folded == told["accepted"] else 99.0, note)
    with_folding = _fresh(stage, {})
    without = _fresh(stage, {"FOLDING": "false"})
    share = f"{with_folding.value:.0f}/s with ({with_folding.note}); {without.value:.0f}/s without ({without.note})"
    return [lag, Figure("fold_share", with_folding.value / without.value, share)]


def _fresh(stage: Stage, settings: dict[str, str]) -> Figure:
    stage.renew(**settings)
    return sustained(stage, "fold_share", seconds=stage.seconds(20, 4))


def dashboard(stage: Stage) -> list[Figure]:
    """What a page of figures asks for: totals and a curve of 30 days, and who fails most."""
    player = stage.players[0]
    values: dict[str, Any] = {
        "env": player.env,
        "shard": player.shard,
        "latency": LATENCIES,
        "reasons": REASONS,
    }
    stage.hub.run(ROWS, values)
    stage.hub.sql("analyze insight_deliveries")
    count = stage.hub.number("select count(*) from insight_deliveries where env = %s", player.env)
    took: dict[str, list[float]] = {}
    with stage.hub.api(player) as api:
        for _ in range(stage.size(100, 15)):
            for path in ("/statistics?since=30d", "/statistics/top?by=subscription&since=30d"):
                begun = time.perf_counter()
                answer = api.get(path)
                took.setdefault(path, []).append((time.perf_counter() - begun) * 1000)
                answer.raise_for_status()
        total = api.get("/statistics?since=30d").json()["total"]["attempts"]
    each = {path: quantile(times, 0.95) for path, times in took.items()}
    note = f"{total} attempts in {count} rows; " + ", ".join(
        f"{path} {ms:.1f} ms" for path, ms in each.items()
    )
    return [Figure("dashboard_p95", max(each.values()), f"{note}; through HTTP")]


def quantile(values: Sequence[float], q: float) -> float:
    """Nearest rank."""
    return sorted(values)[max(-(-len(values) * int(q * 100) // 100) - 1, 0)]
