"""Requests as the hub would send them, for receivers under test. It signs by the hub's own signer and posts nothing."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

from trunkline_consumer import Delivery, Verifier

from hub.core.signing import Signer
from hub.eventlog.envelope import body as envelope

SECRET = "whsec_" + "c2VjcmV0IG9mIHRoZSB0ZXN0cyBvZiB0aGUga2l0"


def request(
    data: Any = None, *, id: str | None = None, stamp: int | None = None
) -> tuple[bytes, dict[str, str]]:
    """(body, headers), signed now with SECRET."""
    id, stamp = id or f"msg_{uuid.uuid4().hex}", stamp or int(time.time())
    body = envelope(
        text_id="evt_1", type="order.created", timestamp=stamp, data=json.dumps(data or {"id": 1}).encode()
    )
    signature = Signer([SECRET]).sign(id, stamp, body).decode()
    return body, {"webhook-id": id, "webhook-timestamp": str(stamp), "webhook-signature": signature}


def delivery(data: Any = None, *, id: str | None = None) -> Delivery:
    return Verifier(SECRET).verify(*request(data, id=id))
