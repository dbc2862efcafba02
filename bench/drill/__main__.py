"""`make drill`: breaks a hub in every known way under load, and writes bench/drill.json. Exit 1 if anything was lost.

`--short` does each quick fault once with another folder and writes nothing; `--seed` makes a run repeatable.
"""

from __future__ import annotations

import argparse
import asyncio
import glob
import json
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx

from bench.drill import faults
from bench.drill.load import Load, Receiver
from bench.drill.patient import ROOT, Patient

SETTLE_S = 90
AROUND_S = 30
RECOVERY_S = 5.0


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


def plan(*, short: bool, clock_file: Path | None) -> dict[str, faults.Fault]:
    """The faults by name."""
    kills = ("web", "worker", "valkey", "postgres") if short else faults.PARTS
    found = {f"kill {name}": faults.kill(name) for name in kills}
    found["cut connections"], found["flush valkey"] = faults.cut, faults.flush
    if short:
        return found
    found["kill all"] = faults.kill_all
    for name in faults.PARTS:
        found[f"freeze {name} 20 s"] = faults.freeze(name, 20)
    found["disk full"] = faults.disk_full(8)
    if clock_file is not None:
        found["clock one hour"] = faults.clock(clock_file, 5)
    return found


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


async def drill(options: argparse.Namespace, patient: Patient, clock_file: Path | None) -> list[Row]:
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
        if not options.short:
            # The partition must be larger than a WAL segment, so that a file-size limit can hit the one without the other.
            items = [{"type": "preload.event", "data": {"pad": "x" * 1500}}] * 1000
            for _ in range(16):
                (
                    await api.post("/api/v1/events/batch", json={"events": items}, timeout=60)
                ).raise_for_status()
    load = Load(url=patient.url, key=key, rate=options.rate)
    rows, begun = [], time.monotonic()
    try:
        rng = random.Random(options.seed)
        kinds = plan(short=options.short, clock_file=clock_file)
        if options.only:
            kinds = {name: fault for name, fault in kinds.items() if options.only in name}
        order = [name for name in kinds for _ in range(1 if options.short else options.times)]
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


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--seed", type=int, default=20260101)
    parser.add_argument("--times", type=int, default=8, help="repetitions of each fault")
    parser.add_argument("--rate", type=float, default=150, help="events a second")
    parser.add_argument("--only", default="", help="faults whose name contains this")
    options = parser.parse_args()
    local = ROOT / ".local" / (f"drill-{time.time_ns()}" if options.short else "drill")
    shutil.rmtree(local, ignore_errors=True)
    local.mkdir(parents=True)
    more, clock_file = {}, None
    library = next(iter(glob.glob("/usr/lib/*/faketime/libfaketime.so.1")), None)
    if not options.short:
        if library is None:
            print(
                "drill: libfaketime is missing; install it (Debian: apt-get install libfaketime).",
                file=sys.stderr,
            )
            return 2
        clock_file = local / "clock"
        clock_file.write_text("+0s")
        faked = f"env LD_PRELOAD={library} FAKETIME_TIMESTAMP_FILE={clock_file} FAKETIME_CACHE_DURATION=1 FAKETIME_DONT_FAKE_MONOTONIC=1 "
        lines = (ROOT / "Procfile").read_text().splitlines()
        (local / "Procfile").write_text("\n".join(
            f"{name}:{faked}{sys.executable}{line.strip().removeprefix('python')}" for name, _, line in (ln.partition(":") for ln in lines if ":" in ln)
        ) + "\n")  # fmt: skip
        more["PROCFILE"] = str(local / "Procfile")
    # Asked to end, it still stops the hub it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    patient = Patient(local, free_port(), **more)
    try:
        rows = asyncio.run(drill(options, patient, clock_file))
        checked = patient.command("check-invariants")
    finally:
        patient.stop()
        if options.short:
            shutil.rmtree(local, ignore_errors=True)
    print(
        f"{'fault':24}{'count':>6}{'accepted':>10}{'delivered':>10}{'dead':>6}{'lost':>6}{'twice':>7}{'recovery':>10}"
    )
    for row in rows:
        print(
            f"{row.fault:24}{row.count:6}{row.accepted:10}{row.delivered:10}{row.dead:6}{row.lost:6}{row.duplicates:7}{row.recovery_s:10}"
        )
    slow = [row.fault for row in rows if row.recovery_s > RECOVERY_S]
    if slow:
        print(f"work flowed again later than {RECOVERY_S} s after the part was back: {', '.join(slow)}")
    bad = (0 if options.short else len(slow)) + sum(
        row.lost + row.stray_duplicates + row.dead for row in rows
    )
    for row in rows:
        if row.fault == "disk full" and not row.refused:
            print("disk full: the limit was never reached, so nothing was proved")
            bad += 1
    if checked.returncode:
        print(checked.stdout + checked.stderr)
        bad += 1
    if not options.short and not options.only:
        commit = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        document = {
            "commit": commit.stdout.strip(),
            "seed": options.seed,
            "rate": options.rate,
            "rows": [asdict(row) for row in rows],
        }
        (ROOT / "bench" / "drill.json").write_text(json.dumps(document, indent=1) + "\n")
    print(f"{sum(r.count for r in rows) - bad} passed, {bad} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
