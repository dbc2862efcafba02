"""The body an endpoint receives, version 1: a JSON object around the sender's data, byte for byte the same on every try.

Members in this order: id, type, timestamp, then source, subject, extensions where given, then data. It never re-reads data.
"""

from __future__ import annotations

from datetime import datetime

import orjson

VERSION = 1


def body(
    *,
    text_id: str,
    type: str,
    timestamp: datetime,
    data: bytes,
    source: str | None = None,
    subject: str | None = None,
    extensions: str | None = None,
) -> bytes:
    """The bytes that are signed and sent. `timestamp`: when it happened (given) or was accepted, UTC."""
    head = f'{{"id":"{text_id}","type":"{type}","timestamp":"{timestamp.isoformat(timespec="microseconds")[:26]}Z"'.encode()
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
