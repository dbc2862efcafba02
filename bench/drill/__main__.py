"""`make drill`: breaks a hub in every known way under load, and writes bench/drill.json. Exit 1 if anything was lost.

`--short` does each quick fault once with another folder and writes nothing; `--seed` makes a run repeatable.
"""

from __future__ import annotations

import argparse
import asyncio
import glob
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from bench.drill import faults
from bench.drill.patient import ROOT, Patient
from bench.drill.run import Row, drill

RECOVERY_S = 5.0
CLOCK = "clock one hour"
AWAY_S = 300


def plan(*, short: bool) -> dict[str, faults.Fault]:
    """The faults by name, but for the clock's, which needs a hub of its own."""
    kills = ("web", "pages", "worker", "valkey", "postgres") if short else faults.PARTS
    found = {f"kill {name}": faults.kill(name) for name in kills}
    found["cut connections"], found["flush valkey"] = faults.cut, faults.flush
    if short:
        return found | away(3)
    found["kill all"] = faults.kill_all
    for name in faults.PARTS:
        found[f"freeze {name} 20 s"] = faults.freeze(name, 20)
    found["disk full"] = faults.disk_full(8)
    return found


def away(seconds: float) -> dict[str, faults.Fault]:
    """The servers out of reach for long."""
    return {f"{name} away {seconds:g} s": faults.away(name, seconds) for name in ("valkey", "postgres")}


def clock_library() -> str | None:
    return next(iter(glob.glob("/usr/lib/*/faketime/libfaketime.so.1")), None)


def fake_clock(local: Path, library: str) -> tuple[Path, dict[str, str]]:
    """(the file that sets the clock, settings for a hub whose processes obey it). Sleeping may fail under this library,
    so beat and a worker that has lost its broker end more often than they would: only the clock's fault runs with it.
    """
    local.mkdir(parents=True, exist_ok=True)
    file = local / "clock"
    file.write_text("+0s")
    faked = (
        f"env LD_PRELOAD={library} FAKETIME_TIMESTAMP_FILE={file} FAKETIME_CACHE_DURATION=1"
        f" FAKETIME_DONT_FAKE_MONOTONIC=1 {sys.executable}"
    )
    lines = [line.partition(": python") for line in (ROOT / "Procfile").read_text().splitlines()]
    (local / "Procfile").write_text("".join(f"{name}: {faked}{rest}\n" for name, _, rest in lines))
    return file, {"PROCFILE": str(local / "Procfile")}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def one_hub(
    local: Path, kinds: dict[str, faults.Fault], options: argparse.Namespace, times: int = 0, **more: str
) -> tuple[list[Row], str]:
    """Rows, and what check-invariants complained of ("" if nothing)."""
    patient = Patient(local, free_port(), **more)
    try:
        rows = asyncio.run(drill(
            patient, kinds, seed=options.seed, times=times or (1 if options.short else options.times), rate=options.rate,
            preload="disk full" in kinds,
        ))  # fmt: skip
        checked = patient.command("check-invariants")
    finally:
        patient.stop()
    return rows, checked.stdout + checked.stderr if checked.returncode else ""


def report(rows: list[Row], complaint: str, *, timed: bool) -> int:
    """Print the table; how many things are wrong."""
    print(
        f"{'fault':24}{'count':>6}{'accepted':>10}{'delivered':>10}{'dead':>6}{'lost':>6}{'twice':>7}{'recovery':>10}"
    )
    for r in rows:
        print(
            f"{r.fault:24}{r.count:6}{r.accepted:10}{r.delivered:10}{r.dead:6}{r.lost:6}{r.duplicates:7}{r.recovery_s:10}"
        )
    bad = sum(row.lost + row.stray_duplicates + row.dead for row in rows)
    slow = [row.fault for row in rows if row.recovery_s > RECOVERY_S]
    if slow:
        print(f"work flowed again later than {RECOVERY_S} s after the part was back: {', '.join(slow)}")
        bad += len(slow) if timed else 0
    if any(row.fault == "disk full" and not row.refused for row in rows):
        print("disk full: the limit was never reached, so nothing was proved")
        bad += 1
    if complaint:
        print(complaint)
        bad += 1
    return bad


def write(rows: list[Row], options: argparse.Namespace) -> None:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    document = {
        "commit": commit.stdout.strip(), "seed": options.seed, "rate": options.rate, "rows": [asdict(row) for row in rows],
    }  # fmt: skip
    (ROOT / "bench" / "drill.json").write_text(json.dumps(document, indent=1) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--seed", type=int, default=20260101)
    parser.add_argument("--times", type=int, default=8, help="repetitions of each fault")
    parser.add_argument("--rate", type=float, default=150, help="events a second")
    parser.add_argument("--only", default="", help="faults whose name contains this")
    options = parser.parse_args()
    library = clock_library()
    if library is None and not options.short:
        print(
            "drill: libfaketime is missing; install it (Debian: apt-get install libfaketime).",
            file=sys.stderr,
        )
        return 2
    # Asked to end, it still stops the hub it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    local = ROOT / ".local" / (f"drill-{time.time_ns()}" if options.short else "drill")
    shutil.rmtree(local, ignore_errors=True)
    kinds = {name: fault for name, fault in plan(short=options.short).items() if options.only in name}
    long = {} if options.short else {n: fault for n, fault in away(AWAY_S).items() if options.only in n}
    rows: list[Row] = []
    complaint = ""
    try:
        with ThreadPoolExecutor(1) as beside:
            # Five minutes of waiting twice, on a hub of its own while the others are at work.
            waiting = beside.submit(one_hub, local / "away", long, options, 1) if long else None
            if kinds:
                rows, complaint = one_hub(local / "hub", kinds, options)
            if waiting is not None:
                further, complaint_too = waiting.result()
                rows, complaint = rows + further, complaint + complaint_too
        if library is not None and not options.short and options.only in CLOCK:
            file, more = fake_clock(local / "clocked", library)
            further, complaint_too = one_hub(
                local / "clocked", {CLOCK: faults.clock(file, 5)}, options, 0, **more
            )
            rows, complaint = rows + further, complaint + complaint_too
    finally:
        if options.short:
            shutil.rmtree(local, ignore_errors=True)
    bad = report(rows, complaint, timed=not options.short)
    if not options.short and not options.only:
        write(rows, options)
    print(f"{sum(row.count for row in rows) - bad} passed, {bad} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
