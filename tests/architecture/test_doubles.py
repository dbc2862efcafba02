"""Tests exercise our own parts as they are: nothing of ours is mocked, no task runs eagerly, no broker is a pretence."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.tree import ROOT, files, name, parsed, text

# Split, so that this file does not accuse itself.
REFUSED = {
    "task_always" + "_eager": "start a Celery worker",
    "memory" + "://": "use the hub's Valkey",
    "unittest" + ".mock": "use the part itself, or tests/receiver.py",
    "mocker" + ".": "use the part itself, or tests/receiver.py",
}


def _tests() -> list[Path]:
    return [path for path in files(".py") if path.is_relative_to(ROOT / "tests")]


def _replaced(path: Path) -> Iterator[str]:
    for node in ast.walk(parsed(path)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "setattr"
        ):
            given = [
                arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)
            ]
            yield from (target.rpartition(".")[2] for target in given[:1])


def test_no_part_of_ours_is_replaced_by_a_pretence() -> None:
    found = [f"{name(path)}: {words}; {instead}" for path in _tests() for words, instead in REFUSED.items()
             if words in text(path)]  # fmt: skip
    assert not found


def test_only_constants_and_private_state_are_set_from_outside() -> None:
    found = [
        f"{name(path)}: {attribute}"
        for path in _tests()
        for attribute in _replaced(path)
        if not re.fullmatch(r"_\w+|[A-Z][A-Z0-9_]*", attribute)
    ]
    assert not found, f"these replace a part under test: {found}"


def test_nothing_sleeps_to_wait() -> None:
    # A sleep is for the body of a polling loop, and a short one.
    slow = [f"{name(path)}: {found[0]}" for path in _tests() if path.name.startswith("test_")
            for found in re.finditer(r"time\.sleep\((\d+(?:\.\d+)?)\)", text(path)) if float(found[1]) > 0.2]  # fmt: skip
    assert not slow, f"poll a condition with a deadline: {slow}"
