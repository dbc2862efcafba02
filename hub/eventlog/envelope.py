"""The body an endpoint receives, version 1: a JSON object around the sender's data, byte for byte the same on every try.

Members in this order: id, type, timestamp, then source, subject, extensions where given, then data. It never re-reads data.
"""

from __future__ import annotations

from functools import lru_cache
from time import gmtime, strftime

import orjson

VERSION = 1


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    return strftime("%Y-%m-%dT%H:%M:%S", gmtime(seconds))


def rfc3339(seconds: float) -> str:
    """Seconds since 1970 as UTC text with microseconds; the same text for the same number, always."""
    microseconds = round(seconds * 1_000_000)
    return f"{_second(microseconds // 1_000_000)}.{microseconds % 1_000_000:06d}Z"


def body(
    *,
    text_id: str,
    type: str,
    timestamp: float,
    data: bytes,
    source: str | None = None,
    subject: str | None = None,
    extensions: str | None = None,
) -> bytes:
    """The bytes that are signed and sent. `timestamp`: when it happened (given) or was accepted, seconds since 1970."""
    head = f'{{"id":"{text_id}","type":"{type}","timestamp":"{rfc3339(timestamp)}"'.encode()
    if source is None and subject is None and extensions is None:
        return head + b',"data":' + data + b"}"
    parts = [head]
    if source is not None:
        parts += (b',"source":', orjson.dumps(source))
    if subject is not None:
        parts += (b',"subject":', orjson.dumps(subject))
    if extensions is not None:
        parts += (b',"extensions":', extensions.encode())
    return b"".join((*parts, b',"data":', data, b"}"))
