"""What the papers name is there: commands, files, addresses, records of decisions. They are never run here."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from functools import cache
from pathlib import Path

import pytest
from django.core.management import get_commands
from django.urls import Resolver404, resolve

from tests.architecture.tree import ROOT, name, papers, text

DECISIONS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
PATH = re.compile(r"`((?:hub|tests|bench|docs|integrations|templates|static|\.ci)/[\w./*-]*)`")
ADDRESS = re.compile(r"\$HUB(/[\w/$-]*)")
# Written by `make bench` and `make drill`; a fresh copy may not have them yet.
MADE = {"bench/latest.json", "bench/drill.json"}
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")


@cache
def _targets() -> frozenset[str]:
    return frozenset(re.findall(r"^([a-z]+):", text(ROOT / "Makefile"), re.MULTILINE))


@pytest.mark.parametrize("paper", papers(), ids=name)
def test_commands_exist(paper: Path) -> None:
    made = set(re.findall(r"(?:^|`|\b[A-Z_]+=\S+ )make ([a-z]+)", text(paper), re.MULTILINE))
    managed = set(re.findall(r"manage\.py ([a-z][a-z-]*)", text(paper)))
    run = re.findall(r"python -m ([a-z_.]+)", text(paper))
    assert made <= _targets()
    assert managed <= set(get_commands())
    for module in run:
        path = ROOT / module.replace(".", "/")
        assert path.is_dir() or path.with_suffix(".py").is_file(), module


@pytest.mark.parametrize("paper", papers(), ids=name)
def test_files_exist(paper: Path) -> None:
    named = PATH.findall(text(paper))
    assert [path for path in named if path not in MADE and not list(ROOT.glob(path.rstrip("/")))] == []
    assert [link for link in LINK.findall(text(paper)) if not (paper.parent / link).exists()] == []


@pytest.mark.parametrize("paper", papers(), ids=name)
def test_addresses_of_the_api_exist(paper: Path) -> None:
    for address in ADDRESS.findall(text(paper)):
        path = "/api/v1" + re.sub(r"\$\w+", "x", address)
        try:
            resolve(path)
        except Resolver404:
            pytest.fail(f"{name(paper)} names {address}, which the API does not have")


def test_the_readme_tells_of_every_target_and_command_of_ours() -> None:
    ours = {path.stem for path in (ROOT / "hub/ops/management/commands").glob("[a-z]*.py")} - {"prepare"}
    told = text(ROOT / "README.md")
    assert [target for target in sorted(_targets()) if f"`make {target}`" not in told] == []
    assert [command for command in sorted(ours) if f"manage.py {command}" not in told] == []


@pytest.mark.parametrize("mark", ["bench", "drill"])
def test_the_readme_has_a_place_for_measured_tables(mark: str) -> None:
    told = text(ROOT / "README.md")
    assert told.count(f"<!-- {mark} -->") == told.count(f"<!-- /{mark} -->") == 1
    assert told.index(f"<!-- {mark} -->") < told.index(f"<!-- /{mark} -->")


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_is_short_and_complete(decision: Path) -> None:
    lines = text(decision).splitlines()
    assert re.fullmatch(rf"# {int(decision.name[:4])}\. .+", lines[0])
    assert [line for line in lines if line.startswith("## ")] == [
        "## Context",
        "## Decision",
        "## Consequences",
    ]
    assert 10 <= len([line for line in lines if line.strip()]) <= 24


def test_decisions_are_numbered_without_a_gap_and_listed() -> None:
    assert [int(path.name[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))
    listed = text(ROOT / "docs" / "adr" / "README.md")
    assert [path.name for path in DECISIONS if f"({path.name})" not in listed] == []


def test_pictures_are_readable_in_light_and_dark() -> None:
    for picture in (ROOT / "docs").glob("*.svg"):
        tree = ElementTree.fromstring(text(picture))
        assert tree.get("role") == "img"
        assert tree.find("{http://www.w3.org/2000/svg}title") is not None
        assert "prefers-color-scheme: dark" in text(picture)
