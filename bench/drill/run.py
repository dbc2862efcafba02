"""One hub through its faults: load on, break it, wait until work flows, load off, account for every accepted event."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass

import httpx

from bench.drill import faults
from bench.drill.load import Load, Receiver
from bench.drill.patient import Patient

SETTLE_S = 90
AROUND_S = 30


@dataclass
class Row:
    """One kind of fault over all its repetitions. back_s: the slowest until the part itself was back (for a freeze, the
    freeze; for a kill, its start and any recovery of its own); recovery_s: the slowest from then until work flowed.
    """

    fault: str
    count: int = 0
    accepted: int = 0
    delivered: int = 0
    dead: int = 0
    lost: int = 0
    refused: int = 0
    duplicates: int = 0
    stray_duplicates: int = 0
    back_s: float = 0.0
    recovery_s: float = 0.0


async def flows_again(load: Load, receiver: Receiver, since: float) -> float:
    """Seconds until an event accepted after `since` has arrived."""
    until = time.monotonic() + SETTLE_S
    while time.monotonic() < until:
        for event, at in reversed(load.accepted.items()):
            if at < since:
                break
            if event in receiver.times:
                return receiver.times[event][0] - since
        await asyncio.sleep(0.02)
    raise RuntimeError("work did not flow again")


async def settle(load: Load, receiver: Receiver, patient: Patient) -> int:
    """Stop the load and wait until everything accepted has arrived; how many did not."""
    load.running.clear()
    until = time.monotonic() + SETTLE_S
    while time.monotonic() < until:
        await asyncio.sleep(0.25)
        missing = [event for event in load.accepted if event not in receiver.times]
        if not missing:
            return 0
    return len(missing)


async def drill(
    patient: Patient, kinds: dict[str, faults.Fault], *, seed: int, times: int, rate: float, preload: bool
) -> list[Row]:
    """Each kind of fault `times` times, in an order drawn from `seed`."""
    key = await asyncio.to_thread(patient.wait)
    receiver = Receiver()
    await receiver.start()
    async with httpx.AsyncClient(
        base_url=patient.url, headers={"Authorization": f"Bearer {key}"}, timeout=60
    ) as api:
        made = await api.post(
            "/api/v1/subscriptions",
            json={
                "url": f"http://127.0.0.1:{receiver.port}/drill",
                "patterns": ["drill.*"],
                "retry_schedule": [1] * 15,
            },
        )
        made.raise_for_status()
        if preload:
            # The partition must be larger than a WAL segment, so that a file-size limit can hit the one without the other.
            items = [{"type": "preload.event", "data": {"pad": "x" * 1500}}] * 1000
            for _ in range(16):
                (
                    await api.post("/api/v1/events/batch", json={"events": items}, timeout=60)
                ).raise_for_status()
    load = Load(url=patient.url, key=key, rate=rate)
    rows, begun = [], time.monotonic()
    try:
        rng = random.Random(seed)
        order = [name for name in kinds for _ in range(times)]
        rng.shuffle(order)
        table = {name: Row(name) for name in kinds}
        for name in order:
            row = table[name]
            before, old, refused = len(load.accepted), set(receiver.times), load.refused
            duplicates = sum(len(times) - 1 for times in receiver.times.values())
            load.running.set()
            await asyncio.sleep(1.0)
            start = time.monotonic()
            back = await kinds[name](patient, rng)
            recovery = await flows_again(load, receiver, back)
            await asyncio.sleep(0.5)
            lost = await settle(load, receiver, patient)
            again = {e: t for e, t in receiver.times.items() if len(t) > 1 and t[-1] >= start}
            row.count += 1
            row.accepted += len(load.accepted) - before
            row.delivered += len(set(receiver.times) - old)
            row.lost += lost
            row.refused += load.refused - refused
            row.duplicates += sum(len(times) - 1 for times in receiver.times.values()) - duplicates
            row.stray_duplicates += sum(1 for t in again.values() if t[-1] > back + AROUND_S)
            row.recovery_s = round(max(row.recovery_s, recovery), 2)
            row.back_s = round(max(row.back_s, back - start), 2)
            print(
                f"{time.monotonic() - begun:6.0f} s  {name:22} lost {lost}  flows again after {recovery:.2f} s",
                flush=True,
            )
            for event in [e for e in load.accepted if e not in receiver.times]:
                del load.accepted[event]
        rows = list(table.values())
        dead = (await asyncio.to_thread(patient.rows, "select count(*) from attempt where finish = 2"))[0][0]
        if dead:
            rows[0].dead = dead
    finally:
        await load.stop()
        await receiver.stop()
    return rows
