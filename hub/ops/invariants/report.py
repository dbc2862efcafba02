"""What the check found, as values and as a table. It decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule: how often it is broken, and where first."""

    rule: str
    sentence: str
    gaps: int
    examples: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """`since`: the first day looked at. `totals`: what was counted, in words and numbers."""

    since: str
    taken_at: str
    seconds: float
    totals: dict[str, int]
    findings: Sequence[Finding]

    @property
    def sound(self) -> bool:
        return all(finding.gaps == 0 for finding in self.findings)

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return {"sound": self.sound} | asdict(self)

    def text(self) -> str:
        lines = [f"Snapshot of {self.taken_at}, events since {self.since}, {self.seconds:.1f} s", ""]
        width = max(map(len, self.totals))
        lines += [f"  {name:<{width}} {count:>14,}" for name, count in self.totals.items()]
        lines.append("")
        width = max(len(finding.sentence) for finding in self.findings)
        for finding in self.findings:
            verdict = "ok" if finding.gaps == 0 else f"{finding.gaps:,} broken"
            lines.append(f"  {finding.sentence:<{width}}  {verdict}")
            lines += [f"      {example}" for example in finding.examples]
        lines += [
            "",
            "Every accepted event is accounted for."
            if self.sound
            else "There are gaps: nothing was changed.",
        ]
        return "\n".join(lines)
