"""The layers of pyproject.toml: every package has its place, and no rule is switched off. `make check` holds imports to them."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from typing import Any

from tests.architecture.tree import ROOT, text

WIRING = {"settings", "env", "urls", "asgi", "serve", "celery", "wiring"}


@cache
def _contracts() -> dict[str, dict[str, Any]]:
    linter = tomllib.loads(text(ROOT / "pyproject.toml"))["tool"]["importlinter"]
    return {contract["name"]: contract for contract in linter["contracts"]}


def _layers() -> list[list[str]]:
    return [re.findall(r"[\w.]+", line) for line in _contracts()["imports point down"]["layers"]]


def test_the_layers_are_exhaustive() -> None:
    contract = _contracts()["imports point down"]
    assert contract["type"] == "layers"
    assert contract["containers"] == ["hub"]
    assert contract["exhaustive"] is True
    assert set(contract["exhaustive_ignores"]) == WIRING


def test_every_package_has_one_place() -> None:
    placed = [package for line in _layers() for package in line]
    packages = {path.parent.name for path in (ROOT / "hub").glob("*/__init__.py")}
    assert len(placed) == len(set(placed))
    assert packages <= set(placed)
    assert placed[-1] == "core"


def test_only_the_wiring_stands_beside_the_packages() -> None:
    assert {path.stem for path in (ROOT / "hub").glob("*.py")} - {"__init__"} == WIRING


def test_no_contract_has_exceptions() -> None:
    assert len(_contracts()) >= 4
    for contract in _contracts().values():
        assert not contract.get("ignore_imports"), contract["name"]


def test_every_pure_module_exists() -> None:
    for module in _contracts()["decisions are pure Python"]["source_modules"]:
        path = ROOT / module.replace(".", "/")
        assert path.is_dir() or path.with_suffix(".py").is_file(), f"{module} is gone; correct pyproject.toml"


def test_the_architecture_tells_the_same_order() -> None:
    lines = re.search(r"```layers\n(.*?)```", text(ROOT / "ARCHITECTURE.md"), re.DOTALL)
    assert lines is not None
    told = [re.findall(r"[a-z]+", line.partition("  ")[0]) for line in lines[1].splitlines()]
    existing = {path.parent.name for path in (ROOT / "hub").glob("*/__init__.py")}
    wanted = [[package for package in line if package in existing] for line in _layers()]
    assert told == [line for line in wanted if line]
