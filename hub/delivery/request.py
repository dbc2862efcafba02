"""What goes out for one attempt: the headers of our own and the outcome made of the reply. Pure but for its arguments."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from hub.core.http.reply import Reply
from hub.core.signing import Signer
from hub.delivery.items import Item, Outcome

ANSWER_BYTES: Final = 128


def headers(*, item: Item, suffix: str, signer: Signer, timestamp: int, body: bytes) -> bytes:
    """webhook-id, -timestamp, -signature (new on every try), traceparent, and our own: attempt number and run."""
    start, trace = item.event.head()
    message_id = start + suffix
    own = f"webhook-id: {message_id}\r\nwebhook-timestamp: {timestamp}\r\ntrunkline-attempt: {item.attempts + 1}\r\n"
    if item.run:
        own += f"trunkline-run: {item.run}\r\n"
    return b"%bwebhook-signature: %b\r\n%b" % (own.encode(), signer.sign(message_id, timestamp, body), trace)


def fill(outcome: Outcome, *, reply: Reply, request: bytes, body: bytes, captures: str, ok: bool) -> None:
    """Put what the reply says into the outcome; keep as much of it as the policy allows."""
    outcome.http, outcome.size = reply.status, reply.body_size
    outcome.dns_us, outcome.connect_us, outcome.tls_us = reply.dns_us, reply.connect_us, reply.tls_us
    outcome.first_us, outcome.total_us = reply.first_byte_us, reply.total_us
    outcome.digest = blake2b(body, digest_size=8).digest()
    if reply.detail:
        outcome.detail = reply.detail[:500]
    if captures == "none":
        return
    outcome.answer = reply.body[:ANSWER_BYTES] or None
    if captures == "all" or not ok:
        outcome.request = request
        outcome.headers = b"".join(b"%b: %b\r\n" % pair for pair in reply.headers)
        outcome.body, outcome.truncated = reply.body, reply.truncated
