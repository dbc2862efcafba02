"""For those who receive Trunkline's webhooks: verify a delivery, and do its work once, however often it comes.

The stores that remember ids are `trunkline_consumer.psycopg`, `.django` and `.redis`; this module imports none.
"""

from trunkline_consumer.delivery import Delivery
from trunkline_consumer.errors import (
    BadSecret,
    MalformedBody,
    MalformedHeader,
    MissingHeader,
    NoMatchingSignature,
    TimestampTooNew,
    TimestampTooOld,
    VerificationError,
    WebhookError,
)
from trunkline_consumer.verify import Verifier

__all__ = [
    "BadSecret",
    "Delivery",
    "MalformedBody",
    "MalformedHeader",
    "MissingHeader",
    "NoMatchingSignature",
    "TimestampTooNew",
    "TimestampTooOld",
    "VerificationError",
    "Verifier",
    "WebhookError",
]
