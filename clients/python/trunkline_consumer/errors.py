"""What can be wrong with a secret or a request, one class for each. No message repeats a secret or a signature."""

from __future__ import annotations

__all__ = [
    "BadSecret",
    "MalformedBody",
    "MalformedHeader",
    "MissingHeader",
    "NoMatchingSignature",
    "TimestampTooNew",
    "TimestampTooOld",
    "VerificationError",
    "WebhookError",
]


class WebhookError(Exception):
    """The root of all of them."""


class BadSecret(WebhookError, ValueError):
    """A secret of your own can't be used: the fault is on this side, and no request will verify."""


class VerificationError(WebhookError):
    """The request is not to be trusted: answer 401 and do nothing. The subclass says why."""


class MissingHeader(VerificationError):
    """One of webhook-id, webhook-timestamp and webhook-signature is missing."""


class MalformedHeader(VerificationError):
    """A header is there but can't be read."""


class TimestampTooOld(VerificationError):
    """Sent before the tolerance: perhaps a replay."""


class TimestampTooNew(VerificationError):
    """Dated in the future: a clock is wrong."""


class NoMatchingSignature(VerificationError):
    """No signature belongs to this body and one of the secrets."""


class MalformedBody(VerificationError):
    """The signature is right, but the body is no event of Trunkline's."""
