"""A token bucket, and the RateLimit fields of the IETF draft (draft-ietf-httpapi-ratelimit-headers).

It reads no clock.
"""

from __future__ import annotations

from math import ceil
from typing import Final

DEFAULT_RATE: Final = 10_000


class Bucket:
    """`rate` requests a second on average, at most one second's worth at once. `now` is monotonic seconds."""

    __slots__ = ("at", "granted", "name", "policy", "rate", "tokens")

    def __init__(self, *, rate: float, now: float, name: str = "key") -> None:
        if rate <= 0:
            raise ValueError("rate must be above 0; to refuse everything revoke the key")
        self.rate = rate
        self.tokens = self.size
        self.at = now
        self.name = name
        # What other processes were not told of yet.
        self.granted = 0
        self.policy = f'"{name}";q={int(self.size)};w=1'
        """The RateLimit-Policy field: quota q in a window of w seconds."""

    @property
    def size(self) -> float:
        return max(1.0, self.rate)

    def take(self, *, now: float, count: int = 1) -> float:
        """0.0 and `count` taken, or the seconds to wait and nothing taken.

        More than a whole bucket at once passes when the bucket is full and is paid back afterwards.
        """
        size = max(1.0, self.rate)
        tokens = self.tokens
        if now > self.at:
            tokens = min(size, tokens + (now - self.at) * self.rate)
            self.at = now
        needed = min(count, size)
        # A hair of float error must not refuse what has been waited for exactly.
        if tokens >= needed - 1e-9:
            self.tokens = tokens - count
            self.granted += count
            return 0.0
        self.tokens = tokens
        return (needed - tokens) / self.rate

    def field(self) -> str:
        """The RateLimit field as of the last take: r requests remain, all are back in t seconds."""
        tokens = self.tokens
        remaining = int(tokens) if tokens > 0 else 0
        return f'"{self.name}";r={remaining};t={ceil((max(1.0, self.rate) - tokens) / self.rate)}'


def retry_after(wait_s: float) -> str:
    """The Retry-After field: whole seconds, at least 1."""
    return str(max(1, ceil(wait_s)))
