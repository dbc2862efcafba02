"""The environment variables: documented as they are."""

from __future__ import annotations

import re

from hub.env import VARIABLES
from tests.architecture import env_example
from tests.architecture.tree import ROOT, name, papers, text


def test_the_example_is_what_the_table_says() -> None:
    assert env_example.PATH.read_text() == env_example.render(), (
        "run `python -m tests.architecture.env_example`, which writes .env.example anew"
    )


def test_every_variable_has_its_line_and_no_other_has_one() -> None:
    lines = re.findall(r"^#?([A-Z_]+)=", env_example.PATH.read_text(), re.MULTILINE)
    assert lines == [variable.name for variable in VARIABLES]


def test_only_the_table_and_the_starters_read_the_environment() -> None:
    allowed = {"hub/env.py", "hub/asgi.py", "hub/celery.py", "hub/ingest/asgi.py", "hub/ops/local/supervisor.py", "hub/ops/demo/__main__.py",
               "hub/ops/management/commands/listen.py", "hub/ops/management/commands/prepare.py"}  # fmt: skip
    readers = {name(path) for path in (ROOT / "hub").rglob("*.py") if "os.environ" in text(path)}
    assert readers <= allowed, f"take these values from settings.ENV instead: {sorted(readers - allowed)}"


def test_papers_name_no_variable_that_does_not_exist() -> None:
    known = {variable.name for variable in VARIABLES} | {
        "TRUNKLINE_LOCAL",
        "HUB",
        "KEY",
        "EVENT",
        "DELIVERY",
        "REPLAY",
        "LEASE",
        "SUB",
        "SINK",
        "URL",
    }
    for paper in papers():
        used = set(re.findall(r"\b([A-Z][A-Z_]{2,})=", text(paper)))
        assert used <= known, f"{name(paper)} sets {sorted(used - known)}, which hub/env.py does not know"
