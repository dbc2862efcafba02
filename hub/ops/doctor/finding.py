"""What one look at an installation came to. A value; it prints nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`do`: what a person does about it, "" if there is nothing to do."""

    level: Level
    name: str
    detail: str
    do: str = ""

    def text(self) -> str:
        line = f"{self.level:<4}  {self.name:<13}  {self.detail}"
        return f"{line}\n{'':21}→ {self.do}" if self.do else line


def ok(name: str, detail: str) -> Finding:
    return Finding("ok", name, detail)


def warn(name: str, detail: str, do: str) -> Finding:
    return Finding("warn", name, detail, do)


def fail(name: str, detail: str, do: str) -> Finding:
    return Finding("fail", name, detail, do)


def failed(findings: Sequence[Finding]) -> bool:
    return any(finding.level == "fail" for finding in findings)
