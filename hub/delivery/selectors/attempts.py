"""Every attempt of one delivery, with what was sent and answered as far as it was kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hub.delivery.outcome import Reason
from hub.delivery.selectors.facts import Delivery, Key
from hub.eventlog.selectors import DAY, Page, fetch

# What ended a delivery without a request has no digest, and bears the number of the attempt before it; an attempt that
# got no access token has none either, but its own number.
_ATTEMPTS = """
SELECT a.n, a.pos, a.at, a.digest IS NOT NULL, a.manual, a.http, a.reason, a.next_at, a.version, a.size, a.answer, a.detail,
       a.dns_us, a.connect_us, a.tls_us, a.first_us, a.total_us, c.request, c.headers, c.body, c.truncated
FROM (SELECT * FROM attempt WHERE sub = %s AND seq = %s AND run = %s AND day = %s AND (n, pos) < (%s, %s)
      ORDER BY n DESC, pos DESC LIMIT %s) a
LEFT JOIN LATERAL (
  SELECT * FROM capture c WHERE c.sub = a.sub AND c.seq = a.seq AND c.run = a.run AND c.n = a.n AND a.digest IS NOT NULL
    AND c.day BETWEEN (a.at AT TIME ZONE 'UTC')::date - 1 AND (a.at AT TIME ZONE 'UTC')::date + 1 LIMIT 1) c ON true
ORDER BY a.n DESC, a.pos DESC"""

# What was kept of an attempt has the day on which it was recorded.
_CAPTURED = """
SELECT u.sub, u.seq, u.run, c.request, c.headers
FROM unnest(%s::int4[], %s::int8[], %s::int4[], %s::date[], %s::date[]) u(sub, seq, run, first, last)
JOIN LATERAL (SELECT c.n, c.request, c.headers FROM capture c WHERE c.sub = u.sub AND c.seq = u.seq AND c.run = u.run
              AND c.day BETWEEN u.first AND u.last ORDER BY c.n DESC LIMIT 100) c ON true
ORDER BY u.sub, u.seq, u.run, c.n DESC"""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A request, or (`sent` False) an end or a failure without one. Times in microseconds; the last four are the capture, if kept."""

    n: int
    pos: int
    at: datetime
    sent: bool
    manual: bool
    http: int
    reason: Reason
    next_at: datetime | None
    version: int
    size: int
    answer: bytes | None
    detail: str | None
    dns_us: int | None
    connect_us: int | None
    tls_us: int | None
    first_us: int | None
    total_us: int | None
    request: bytes | None
    headers: bytes | None
    body: bytes | None
    truncated: bool | None


def attempts(
    delivery: Delivery, *, position: Sequence[Any] | None, limit: int
) -> Page[Attempt, Sequence[Any]]:
    """Of a delivery that came through a scope; the last one first."""
    below = position or (32_767, 2**63 - 1)
    rows = fetch(_ATTEMPTS, [delivery.target.id, delivery.seq, delivery.run, delivery.day, *below, limit + 1])
    found = [_attempt(row) for row in rows[:limit]]
    return Page(found, [found[-1].n, found[-1].pos] if len(rows) > limit else None)


def captured(deliveries: Sequence[Delivery]) -> dict[Key, list[tuple[bytes, bytes]]]:
    """What was kept of their attempts, the last first: the headers sent and those answered. None kept: no entry."""
    tried = [(d, d.last.at.astimezone(UTC).date()) for d in deliveries if d.last is not None]
    if not tried:
        return {}
    columns = [
        [d.target.id for d, _ in tried], [d.seq for d, _ in tried], [d.run for d, _ in tried],
        [d.day - DAY for d, _ in tried], [last + DAY for _, last in tried],
    ]  # fmt: skip
    found: dict[Key, list[tuple[bytes, bytes]]] = {}
    for sub, seq, run, request, headers in fetch(_CAPTURED, columns):
        found.setdefault((seq, sub, run), []).append((bytes(request), bytes(headers)))
    return found


def header_lines(block: bytes) -> Iterator[tuple[str, str]]:
    """Name and value of each line of headers that was kept."""
    for line in block.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if colon:
            yield name.decode("latin-1"), value.strip().decode("latin-1")


def _attempt(row: tuple[Any, ...]) -> Attempt:
    values: list[Any] = [bytes(value) if isinstance(value, memoryview) else value for value in row]
    values[6] = Reason(values[6])
    return Attempt(*values)
