"""A subscription's client certificate: judged, sealed with its key, taken away. It shows what names it, and never a key."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from hub.core.client_certificates import BadCertificate, Described, Identity, read
from hub.subscriptions import vault
from hub.subscriptions.models import Subscription
from hub.tenants import refusals

Judged = tuple[Identity, Described]
COLUMNS: Final = ("client_certificate", "client_certificate_sealed")


def judged(fields: Mapping[str, Any], *, now: datetime | None) -> tuple[Judged | None, list[tuple[str, str]]]:
    """What {"client_certificate": {"chain", "key"}} holds, and what is wrong with it. None: none was given, or null."""
    given = fields.get("client_certificate")
    if given is None:
        return None, []
    if now is None:
        raise ValueError("a client certificate is judged by the time; give now")
    if not isinstance(given, Mapping):
        return None, [("client_certificate", "must be an object of chain and key, or null to have none")]
    try:
        return read(chain=given.get("chain", ""), key=given.get("key", ""), now=now), []
    except BadCertificate as error:
        return None, [(f"client_certificate.{error.part}", str(error))]


def put(subscription: Subscription, certificate: Judged | None) -> list[Any]:
    """Set it on the row, or take it away; [old, new] for the audit, by fingerprints."""
    old = subscription.client_certificate
    if certificate is None:
        subscription.client_certificate = subscription.client_certificate_sealed = None
    else:
        identity, described = certificate
        subscription.client_certificate = {
            "subject": described.subject,
            "issuer": described.issuer,
            "fingerprint_sha256": described.fingerprint_sha256,
            "not_after": described.not_after.isoformat().replace("+00:00", "Z"),
        }
        subscription.client_certificate_sealed = vault.seal_map(
            subscription=subscription.uid,
            part="client-certificate",
            values={"chain": identity.chain, "key": identity.key},
        )
    new = subscription.client_certificate
    return [shown and shown["fingerprint_sha256"] for shown in (old, new)]


def check_use(subscription: Subscription) -> None:
    """Refuse one that would never be presented."""
    if subscription.client_certificate is not None and not subscription.url.lower().startswith("https:"):
        raise refusals.invalid(
            [("client_certificate", "is presented over TLS only; set an https:// URL, or null to have none")]
        )
