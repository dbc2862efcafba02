"""The project speaks of itself alone: nothing names the place, the people or the papers it was made with."""

from __future__ import annotations

import re

import pytest

from tests.architecture.tree import ROOT, files, name, text

# Each in two parts, so that this file does not accuse itself.
REFUSED = (
    r"/wo" r"rk/", r"\bfa" r"rm\b", r"closing n" r"ote", r"\bissu" r"e #?\d", r"shar" r"ed/[A-Z]", r"\b[A-Z]{5,}\.m" r"d\b",
    r"\bDESI" r"GN\b", r"\bENGI" r"NE \d", r"\bCONS" r"OLE \d", r"\bhelper ses" r"sion", r"/tmp/br" r"iefs",
)  # fmt: skip
OWN = {"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "ROADMAP.md"}
BINARY = {".png", ".ico", ".woff2", ".gz"}


def _told() -> list[tuple[str, str]]:
    return [(name(path), text(path)) for path in files() if path.suffix not in BINARY]


@pytest.mark.parametrize("word", REFUSED)
def test_no_word_of_where_it_was_made(word: str) -> None:
    found = [
        f"{path}: {match[0]}"
        for path, content in _told()
        for match in re.finditer(word, content)
        if match[0] not in OWN
    ]
    assert not found


def test_the_files_looked_at_are_the_projects() -> None:
    assert (ROOT / "manage.py").exists()
    assert len(_told()) > 100
