"""How a receiver treats a request, as a value, and which request is treated so. It never touches a socket."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Act(StrEnum):
    answer = "answer"
    hang = "hang"
    slow_body = "slow body"
    endless_body = "endless body"
    gigabyte = "gigabyte"
    reset_before_reading = "reset before reading"
    reset_after_reading = "reset after reading"


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """What to do, and to whom: the `first` requests of a path only (None: all), each with `probability`
    (seeded).

    Who is spared gets 200 "ok" at once. `close_after`: after the answer the connection is closed without a
    word, although keep-alive was promised. `pace_s`: between two bytes of a slow body.
    """

    act: Act = Act.answer
    status: int = 200
    body: bytes = b"ok"
    headers: tuple[tuple[str, str], ...] = ()
    latency_s: float = 0.0
    close_after: bool = False
    pace_s: float = 1.0
    first: int | None = None
    probability: float = 1.0
    seed: int = 0

    @classmethod
    def failing(
        cls, status: int = 500, *, first: int | None = None, probability: float = 1.0, seed: int = 0
    ) -> Behaviour:
        """A status for all, for the first few, or for a share of the requests."""
        return cls(status=status, body=b"failing as told", first=first, probability=probability, seed=seed)

    @classmethod
    def rate_limiting(cls, retry_after_s: int, *, first: int | None = None) -> Behaviour:
        """429 with Retry-After."""
        return cls(status=429, body=b"slow down", headers=(("Retry-After", str(retry_after_s)),), first=first)

    @classmethod
    def redirecting(cls, to: str, *, status: int = 307) -> Behaviour:
        return cls(status=status, body=b"", headers=(("Location", to),))


OK = Behaviour()


class Course:
    """Counts the requests of one path and says how each is treated."""

    def __init__(self, behaviour: Behaviour | Sequence[Behaviour]) -> None:
        self.steps = (behaviour,) if isinstance(behaviour, Behaviour) else tuple(behaviour)
        if not self.steps:
            raise ValueError("give at least one behaviour")
        self._random = random.Random(self.steps[0].seed)
        self._count = 0

    def next(self) -> Behaviour:
        """Several behaviours take turns, and the last one stays; `first` counts from the beginning of the
        course.
        """
        behaviour = self.steps[min(self._count, len(self.steps) - 1)]
        self._count += 1
        if behaviour.first is not None and self._count > behaviour.first:
            return OK
        if behaviour.probability < 1.0 and self._random.random() >= behaviour.probability:
            return OK
        return behaviour
