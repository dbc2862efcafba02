"""Django projects of receivers, each in a process of its own, since the tests' process has the hub's settings."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.clients.conftest import KIT

ROOT = Path(__file__).resolve().parents[2]


def environment(settings: str, database: str, *paths: Path, **more: str) -> dict[str, str]:
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": settings,
        "DATABASE_URL": database,
        "PYTHONPATH": os.pathsep.join(map(str, (*paths, ROOT, KIT))),
        **more,
    }


@contextmanager
def serving(env: dict[str, str]) -> Iterator[str]:
    """Its address, as soon as it takes requests. What it writes as errors is shown with the test."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.clients.serve"], env=env, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        assert port, "the project did not start; see above"
        yield f"http://127.0.0.1:{port}"
        # Closing its standard input, as `with` does, ends it.


def run(env: dict[str, str], program: str) -> str:
    """What this program prints in a process that has set the project up."""
    program = f"import django\ndjango.setup()\n{program}"
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program], env=env, check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()
