"""Which columns of the REST API are sealed, for a change of keys: the answers kept for Idempotency-Key.

Cursors are sealed too, but never stored.
"""

from __future__ import annotations

from typing import Final

from hub.api.idempotency import answer_context
from hub.api.models import StoredAnswer
from hub.subscriptions.services.resealing import Sealed

SEALED: Final = (
    Sealed(
        kind="kept answer",
        model=StoredAnswer,
        column="body",
        needs=("environment_id", "consumer_id", "key"),
        context=lambda *owner: answer_context(owner),
        # The key is the sender's own text, so the row's number names it.
        shown=lambda pk, *owner: str(pk),
    ),
)
