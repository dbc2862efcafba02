"""Where a part of this process says what it counts, for /metrics. It holds callables and never a number of
its own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sample:
    """One number. `name` without the "trunkline_" in front; a counter's name ends with _total."""

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    value: float
    labels: tuple[tuple[str, str], ...] = ()


Source = Callable[[], Iterable[Sample]]
_sources: dict[str, Source] = {}
_troubles: dict[str, Callable[[], str]] = {}


def register(name: str, source: Source) -> None:
    """`source()` is called at each scrape, from another thread than its own: it must only read. Same name:
    replaced.
    """
    _sources[name] = source


def collect() -> list[Sample]:
    """What all sources say. One that fails is logged and left out."""
    samples: list[Sample] = []
    for name, source in list(_sources.items()):
        try:
            samples += source()
        except Exception:
            logger.exception("the metrics of %s can't be read", name)
    return samples


def register_ingest(counts: Callable[[], tuple[int, int, int, int]]) -> None:
    """`counts()` gives (events accepted, requests refused, commits, events pending) of this process."""

    def samples() -> list[Sample]:
        accepted, refused, commits, pending = counts()
        return [
            Sample("ingest_events_total", "counter", "Events accepted (202) by this process.", accepted),
            Sample("ingest_refused_total", "counter", "Requests refused by ingest in this process.", refused),
            Sample("ingest_commits_total", "counter", "Group commits of this process.", commits),
            Sample("ingest_pending", "gauge", "Events waiting for their commit in this process.", pending),
        ]

    register("ingest", samples)


def register_readiness(name: str, trouble: Callable[[], str]) -> None:
    """`trouble()` gives "" while all is well, else a few words that anybody may read. Same name: replaced."""
    _troubles[name] = trouble


def troubles() -> list[tuple[str, str]]:
    """(name, trouble or "") of each part that registered."""
    return [(name, trouble()) for name, trouble in sorted(_troubles.items())]
