"""Write-ahead log an event and a delivery, and what it consists of by pg_walinspect; full-page images are told apart."""

from __future__ import annotations

from bench.figures import Figure
from bench.stage import Stage, Subscription

STATS = """
select "resource_manager/record_type", sum(record_size)::bigint, sum(fpi_size)::bigint, sum(count)::bigint
from pg_get_wal_stats(%s::pg_lsn, %s::pg_lsn, true) group by 1 having sum(count) > 0"""
RELATIONS = """
select coalesce(c.relname, '?'), sum(b.block_data_length + coalesce(b.block_fpi_length, 0))::bigint
from pg_get_wal_block_info(%s::pg_lsn, %s::pg_lsn, false) b
left join pg_class c on c.relfilenode = b.relfilenode and b.relfilenode <> 0
group by 1 order by 2 desc limit 6"""
RATE = 2000
CONNECTIONS = 32


def wal(stage: Stage) -> list[Figure]:
    stage.hub.sql("create extension if not exists pg_walinspect")
    alone, alone_note = _measure(stage, [])
    stage.begin()
    both, both_note = _measure(stage, stage.subscribe())
    note = f"the difference that one delivery makes; event and delivery together {both_note}"
    return [Figure("wal_event", alone, alone_note), Figure("wal_delivery", both - alone, note)]


def _measure(stage: Stage, subscriptions: list[Subscription]) -> tuple[float, str]:
    """(KiB an event at RATE with all that follows from it, what it consists of)."""
    hub = stage.hub
    # Pages are there and warm before it counts.
    warm = stage.load(connections=CONNECTIONS, rate=RATE, seconds=2)
    stage.settle(subscriptions)
    begin = hub.wal_position()
    told = stage.load(connections=CONNECTIONS, rate=RATE, seconds=stage.seconds(15, 4))
    stage.settle(subscriptions)
    end = hub.wal_position()
    if subscriptions:
        stage.prove(subscriptions, warm, told)
    number = told["accepted"]
    size = int(hub.sql("select %s::pg_lsn - %s::pg_lsn", end, begin)[0][0])
    kinds = hub.sql(STATS, begin, end)
    images = sum(images for _, _, images, _ in kinds)
    parts = sorted(
        ((name, (own + image) / number) for name, own, image, _ in kinds), key=lambda part: -part[1]
    )[:6]
    tables = hub.sql(RELATIONS, begin, end)
    note = (
        f"{size / number:.0f} B at {RATE}/s, {images / number:.0f} of them full-page images; by record "
        f"{', '.join(f'{name} {each:.0f}' for name, each in parts)}; by relation "
        f"{', '.join(f'{name} {each / number:.0f}' for name, each in tables)}"
    )
    return size / number / 1024, note
