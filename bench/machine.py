"""What was measured, and on what: the commit, the processor, the versions. It changes nothing."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

from bench.processes import ROOT

# What the bench itself writes does not make a tree another one.
OWN = ("bench/latest.json", "bench/drill.json", "README.md")


def commit() -> str:
    """The short hash, with `+changes` when what would be measured is not what was committed."""
    try:
        short = _git("rev-parse", "--short", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return "no git"
    return short + ("+changes" if any(line[3:] not in OWN for line in changed.splitlines()) else "")


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.rstrip("\n")


def describe(postgres: str) -> dict[str, object]:
    model = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
        memory = int(Path("/proc/meminfo").read_text().split()[1]) // 1024
    except OSError:
        memory = 0
    return {
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "memory_mib": memory,
        "python": platform.python_version(),
        "postgres": postgres,
        "kernel": platform.release(),
    }
