"""The project's own files, as the tests of this folder look at them. It never reads what is generated or installed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("hub", "integrations", "bench", "clients", "tests", "templates", "static", "docs", ".ci")
PAPERS = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "ROADMAP.md")
TOP = (*PAPERS, "Makefile", "Procfile", "manage.py", "pyproject.toml", ".env.example", ".gitignore")  # fmt: skip


def name(path: Path) -> str:
    """Its path from the root, as it is written in papers."""
    return path.relative_to(ROOT).as_posix()


@cache
def text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", errors="replace")


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(text(path))


def files(*suffixes: str) -> Iterator[Path]:
    """All of them with one of these suffixes; with none given, every file."""
    found = [path for top in FOLDERS for path in sorted((ROOT / top).rglob("*")) if path.is_file()]
    for path in found + [ROOT / top for top in TOP] + sorted(ROOT.glob("requirements*.txt")):
        if "__pycache__" not in path.parts and (not suffixes or path.suffix in suffixes):
            yield path


def papers() -> list[Path]:
    return [ROOT / paper for paper in PAPERS] + sorted((ROOT / "docs").rglob("*.md"))
