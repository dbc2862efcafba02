"""Prometheus' text format (version 0.0.4) from plain values. It measures nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "trunkline_"


@dataclass(frozen=True, slots=True)
class Sample:
    """One number. `name` without the "trunkline_" in front; a counter's name ends with _total."""

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    value: float
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Histogram:
    """`counts` by bucket, not cumulated, one longer than `bounds`: the last is for everything above."""

    name: str
    help: str
    bounds: Sequence[float]
    counts: Sequence[int]
    sum: float
    labels: tuple[tuple[str, str], ...] = ()


def text(metrics: Iterable[Sample | Histogram]) -> str:
    """The whole exposition; metrics of one name are put together, as the format asks, in order of first
    appearance.
    """
    families: dict[str, list[Sample | Histogram]] = {}
    for metric in metrics:
        families.setdefault(metric.name, []).append(metric)
    lines: list[str] = []
    for name, members in families.items():
        full, first = PREFIX + name, members[0]
        kind = "histogram" if isinstance(first, Histogram) else first.kind
        help = first.help.replace("\\", r"\\").replace("\n", r"\n")
        lines += [f"# HELP {full} {help}", f"# TYPE {full} {kind}"]
        for member in members:
            if isinstance(member, Histogram):
                lines += _histogram(full, member)
            else:
                lines.append(f"{full}{_labels(member.labels)} {_number(member.value)}")
    return "\n".join(lines) + "\n"


def _histogram(name: str, histogram: Histogram) -> list[str]:
    lines, total = [], 0
    for bound, count in zip([*histogram.bounds, math.inf], histogram.counts, strict=True):
        total += count
        lines.append(f"{name}_bucket{_labels((*histogram.labels, ('le', _number(bound))))} {total}")
    labels = _labels(histogram.labels)
    return [*lines, f"{name}_sum{labels} {_number(histogram.sum)}", f"{name}_count{labels} {total}"]


def _labels(labels: Iterable[tuple[str, str]]) -> str:
    shown = ",".join(f'{key}="{_escaped(value)}"' for key, value in labels)
    return f"{{{shown}}}" if shown else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if float(value).is_integer() else repr(float(value))
