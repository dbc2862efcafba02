"""The faults: what is done to the hub, and how one knows that the part is back. Each is seeded by the caller's random."""

from __future__ import annotations

import asyncio
import contextlib
import random
import resource
import signal
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import psycopg
import redis

from bench.drill.patient import Patient

Fault = Callable[[Patient, random.Random], Awaitable[float]]
"""Does it and waits until the part is back; returns the loop's monotonic time of that."""

PARTS = ("web", "pages", "worker", "beat", "valkey", "postgres")
# None of these may die of an outage, nor spin: together they may use that share of a core while it lasts.
LASTING = ("web", "pages", "worker", "beat")
SPINNING = 0.3
BACK_WITHIN_S = 60


ENGINES = "select 1 from pg_stat_activity where application_name = 'trunkline engine' and backend_start > to_timestamp(%s)"


def _serves(patient: Patient, name: str, process: psutil.Process) -> bool:
    """A part is back when it does its work: a listening web, a worker with its session, a database that answers."""
    if name == "web":
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", patient.port)) == 0
    if name == "pages":
        return patient.ready()
    if name == "postgres":
        return patient.answers()
    if name == "worker":
        try:
            return bool(patient.rows(ENGINES, process.create_time()))
        except (psycopg.OperationalError, psutil.NoSuchProcess):
            return False
    return True


async def _back(patient: Patient, name: str, old: int) -> None:
    until = time.monotonic() + BACK_WITHIN_S
    while time.monotonic() < until:
        process = patient.child(name)
        if (
            process is not None
            and process.pid != old
            and await asyncio.to_thread(_serves, patient, name, process)
        ):
            return
        await asyncio.sleep(0.02)
    raise RuntimeError(f"{name} did not come back within {BACK_WITHIN_S} s")


async def _running(patient: Patient, name: str) -> psutil.Process:
    """The part, waited for where an earlier fault has just ended it (beat dies of a clock that jumps back)."""
    until = time.monotonic() + BACK_WITHIN_S
    while (process := patient.child(name)) is None:
        if time.monotonic() > until:
            raise RuntimeError(f"{name} does not run")
        await asyncio.sleep(0.05)
    return process


def kill(name: str) -> Fault:
    """kill -9; the supervisor starts it again."""

    async def fault(patient: Patient, rng: random.Random) -> float:
        await asyncio.sleep(rng.uniform(0, 0.3))
        process = await _running(patient, name)
        process.send_signal(signal.SIGKILL)
        await _back(patient, name, process.pid)
        return time.monotonic()

    return fault


async def kill_all(patient: Patient, rng: random.Random) -> float:
    """kill -9 of every part within a moment."""
    await asyncio.sleep(rng.uniform(0, 0.3))
    processes = {name: await _running(patient, name) for name in PARTS}
    names = list(processes)
    rng.shuffle(names)
    for name in names:
        with contextlib.suppress(psutil.NoSuchProcess):
            processes[name].send_signal(signal.SIGKILL)
    for name in names:
        await _back(patient, name, processes[name].pid)
    return time.monotonic()


def freeze(name: str, seconds: float) -> Fault:
    """SIGSTOP of it and its children, SIGCONT later."""

    async def fault(patient: Patient, rng: random.Random) -> float:
        await asyncio.sleep(rng.uniform(0, 0.3))
        await _running(patient, name)
        family = patient.family(name)
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()
        try:
            await asyncio.sleep(seconds)
        finally:
            for process in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.resume()
        return time.monotonic()

    return fault


async def cut(patient: Patient, rng: random.Random) -> float:
    """Every database session of the hub is ended by the server, three times in a row."""
    for _ in range(3):
        await asyncio.to_thread(
            patient.rows,
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'trunkline%%'",
        )
        await asyncio.sleep(rng.uniform(0.05, 0.5))
    return time.monotonic()


def away(name: str, seconds: float) -> Fault:
    """PostgreSQL or Valkey can't be reached: its socket is gone and every session ended. All of ours must live through it."""

    async def fault(patient: Patient, rng: random.Random) -> float:
        await asyncio.sleep(rng.uniform(0, 0.3))
        ours = [await _running(patient, part) for part in LASTING]
        door = patient.door(name)
        gone = door.with_name(f"{door.name}.away")
        final = patient.rows("select count(*) from attempt where finish > 1")[0][0]
        inside = psycopg.connect(patient.database, autocommit=True)
        door.rename(gone)
        try:
            if name == "postgres":
                inside.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'trunkline%%'"
                )
            else:
                with redis.Redis(unix_socket_path=str(gone)) as client:
                    client.client_kill_filter(_type="normal", skipme=True)
                    client.client_kill_filter(_type="pubsub", skipme=True)
            before = sum(sum(process.cpu_times()[:2]) for process in ours)
            began = time.monotonic()
            await asyncio.sleep(seconds)
            used = sum(sum(process.cpu_times()[:2]) for process in ours) - before
            share = used / (time.monotonic() - began)
        finally:
            gone.rename(door)
            inside.close()
        back = time.monotonic()
        if name == "postgres" and share > SPINNING:
            raise RuntimeError(f"without {name} the hub used {share:.2f} of a core")
        if (now := patient.rows("select count(*) from attempt where finish > 1")[0][0]) != final:
            raise RuntimeError(f"{now - final} deliveries ended in failure while {name} was away")
        for part, process in zip(LASTING, ours, strict=True):
            found = patient.child(part)
            if found is None or found.pid != process.pid:
                raise RuntimeError(f"{part} died while {name} was away")
        return back

    return fault


async def flush(patient: Patient, rng: random.Random) -> float:
    """Valkey forgets everything."""
    await asyncio.sleep(rng.uniform(0, 0.3))
    client = redis.from_url(patient.env["REDIS_URL"])  # type: ignore[no-untyped-call]
    await asyncio.to_thread(client.flushall)
    client.close()
    return time.monotonic()


def disk_full(seconds: float) -> Fault:
    """No file of PostgreSQL may grow past a little more than the largest partition has now (RLIMIT_FSIZE)."""

    async def fault(patient: Patient, rng: random.Random) -> float:
        size = patient.rows("select pg_relation_size('event_' || to_char(current_date, 'YYYYMMDD'))")[0][0]
        limit = max(17 * 1024 * 1024, size + rng.randrange(0, 8) * 8192)
        patient.limit_files(limit)
        await asyncio.sleep(seconds)
        patient.limit_files(resource.RLIM_INFINITY)
        until = time.monotonic() + BACK_WITHIN_S
        while not await asyncio.to_thread(patient.answers) and time.monotonic() < until:
            await asyncio.sleep(0.05)
        return time.monotonic()

    return fault


def clock(file: Path, seconds: float) -> Fault:
    """The clock of web, worker and beat jumps an hour, forth or back, and returns (libfaketime reads the file)."""

    async def fault(patient: Patient, rng: random.Random) -> float:
        file.write_text(rng.choice(("+3600s", "-3600s")))
        await asyncio.sleep(seconds)
        file.write_text("+0s")
        return time.monotonic()

    return fault
