"""What has been read of one answer, and the parser's callbacks that fill it; every part has a bound.

It never touches the network: the connection feeds it and judges when enough has come.
"""

from __future__ import annotations

import httptools

MAX_HEADERS = 64
MAX_HEAD_BYTES = 16 * 1024
# So much beyond the captured part is read and thrown away to keep the connection; more is cheaper to cut off.
SLACK = 64 * 1024
# Small chunks and trailers cost more bytes than they carry.
_FRAMING = 8


class Answer:
    """The state of reading. The connection sets it back for each request."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._capture = self._first_ns = self._status = self._received = self._size = 0
        self._head_only = self._head_done = self._done = self._keep = False
        # Once set, the connection is at its end: there is no need to set it back.
        self._invalid = ""
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []

    def on_message_begin(self) -> None:
        if self._done:
            self._keep = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._head_done:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._done:
            return
        status = self._parser.get_status_code()
        headers = self._headers
        if len(headers) > MAX_HEADERS:
            self._invalid = f"the answer has more than {MAX_HEADERS} headers"
        elif (
            self._received > MAX_HEAD_BYTES
            and sum(len(name) + len(value) for name, value in headers) > MAX_HEAD_BYTES
        ):
            self._invalid = f"the headers of the answer have more than {MAX_HEAD_BYTES} bytes"
        elif status == 101:
            self._invalid = "the receiver wants to switch the protocol, which was not offered"
        elif status < 200:
            # An interim answer (100, 103): the real one follows.
            self._headers = []
        else:
            self._status = status
            self._head_done = True
            self._done = self._head_only

    def on_body(self, data: bytes) -> None:
        if self._done:
            return
        room = self._capture - self._size
        self._size += len(data)
        if room > 0:
            self._body.append(data if len(data) <= room else data[:room])

    def on_message_complete(self) -> None:
        if self._head_done and not self._done:
            self._done = True
            self._keep = self._parser.should_keep_alive()

    def _too_much(self) -> bool:
        """The answer is so long that the rest is not worth its reading."""
        return (
            self._size > self._capture + SLACK
            or self._received > _FRAMING * (self._capture + SLACK) + MAX_HEAD_BYTES
        )

    def _ends_with_connection(self) -> bool:
        """No length was given, so that the end of the connection is the end of the body (RFC 9112 6.3)."""
        names = {name.lower() for name, _ in self._headers}
        return not names & {b"content-length", b"transfer-encoding"}
