"""Rows of the bench as values: what each is called, wants and came to. Pure: it measures nothing and reads no clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import mean, median


@dataclass(frozen=True, slots=True)
class Row:
    """`less`: the target is a ceiling. `floor`: the name of what is measured beside it, to tell the machine's share."""

    name: str
    title: str
    unit: str
    target: float
    less: bool = False
    floor: str = ""
    worst: bool = False

    def ratio(self, value: float) -> float:
        """At least 1 when the target is met."""
        if self.less:
            return self.target / value if value > 0 else 99.0
        return value / self.target


@dataclass(slots=True)
class Result:
    """A row's runs; the value is their median, or the worst of them where the row says so."""

    row: Row
    runs: list[float] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failure: str = ""

    @property
    def value(self) -> float | None:
        if not self.runs or self.failure:
            return None
        if self.row.worst:
            return max(self.runs) if self.row.less else min(self.runs)
        return median(self.runs)

    @property
    def met(self) -> bool:
        value = self.value
        return value is not None and self.row.ratio(value) >= 1

    def note(self) -> str:
        """Of the run that is the value, or nearest to it."""
        if self.failure:
            return f"FAILED: {self.failure}"
        value = self.value
        if value is None or not self.notes:
            return ""
        return min(zip(self.runs, self.notes, strict=True), key=lambda run: abs(run[0] - value))[1]

    def as_json(self, floors: dict[str, float]) -> dict[str, object]:
        row, value = self.row, self.value
        return {
            "name": row.name,
            "title": row.title,
            "value": None if value is None else rounded(value),
            "unit": row.unit,
            "target": row.target,
            "bound": "at most" if row.less else "at least",
            "floor": rounded(floors[row.floor]) if row.floor in floors else None,
            "floor_name": row.floor or None,
            "ratio": 0.0 if value is None else round(row.ratio(value), 3),
            "runs": [rounded(run) for run in self.runs],
            "note": self.note(),
        }


@dataclass(frozen=True, slots=True)
class Figure:
    """What one run gave for one row."""

    name: str
    value: float
    note: str = ""


def rounded(value: float) -> float:
    """Four significant digits, thousands whole."""
    if abs(value) >= 1000:
        return float(round(value))
    return float(f"{value:.4g}")


def grows(samples: Sequence[int], *, rate: float) -> bool:
    """Did what waits grow over a run? By more than a quarter second's worth between its first and last third."""
    third = len(samples) // 3
    if not third:
        return bool(samples) and samples[-1] > rate
    return mean(samples[-third:]) - mean(samples[:third]) > rate / 4 or samples[-1] > rate


def table(rows: Sequence[dict[str, object]]) -> str:
    """For a terminal."""
    lines: list[tuple[str, ...]] = [("name", "value", "unit", "target", "floor", "ratio")]
    for row in rows:
        sign = "≤" if row["bound"] == "at most" else "≥"
        cells = (row["value"], row["unit"], f"{sign} {_plain(row['target'])}", row["floor"], row["ratio"])
        lines.append((str(row["name"]), *(cell if isinstance(cell, str) else _plain(cell) for cell in cells)))
    widths = [max(len(line[i]) for line in lines) for i in range(6)]
    text = []
    for line in lines:
        padded = [line[i].ljust(widths[i]) if i in (0, 2) else line[i].rjust(widths[i]) for i in range(6)]
        text.append("  ".join(padded))
    return "\n".join(text)


def _plain(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if isinstance(value, float | int) and abs(value) >= 1000 else f"{value:g}"
