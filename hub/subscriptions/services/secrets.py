"""Signing secrets: made, rotated with an overlap, revealed (which is audited).

Values leave here only by being returned.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction

from hub.core.signing import BadSecret, new_keypair, new_secret, parse_secret
from hub.core.signing_secrets import public_of
from hub.subscriptions import policy, selectors, vault
from hub.subscriptions.models import Secret, Subscription
from hub.subscriptions.services.touch import touch
from hub.tenants import refusals
from hub.tenants.scoping import Scope
from hub.tenants.services import audit

MAX_LIVE = 5


@dataclass(frozen=True, slots=True)
class Shown:
    """A secret for its receiver's eyes: whsec_ of hmac, and of ed25519 the public whpk_ key, never the
    private one.
    """

    kind: str
    value: str = field(repr=False)
    created_at: datetime
    expires_at: datetime | None


def add_secret(*, subscription: Subscription, kind: str, secret: str | None) -> Shown:
    """Give the subscription another secret, a new one or the caller's own.

    Stands in the caller's transaction.
    """
    text = _checked(secret, kind=kind) if secret is not None else _made(kind)
    row = Secret.objects.create(
        subscription=subscription,
        kind=kind,
        sealed=vault.seal_secret(subscription=subscription.uid, text=text),
    )
    return _shown(row, text)


def check_secret(*, kind: str, secret: str | None) -> list[tuple[str, str]]:
    """What is wrong with a secret the caller brings; the sentences never repeat it."""
    try:
        if secret is not None:
            _checked(secret, kind=kind)
    except BadSecret as error:
        return [("secret", str(error))]
    return []


def rotate_secret(
    *,
    scope: Scope,
    uid: str,
    now: datetime,
    overlap_s: int = policy.DAY_S,
    kind: str | None = None,
    secret: str | None = None,
    expected_version: int | None = None,
) -> tuple[Subscription, Shown]:
    """A new secret signs at once; the old ones go on signing beside it for `overlap_s` seconds."""
    errors = policy.problems({"overlap_s": overlap_s})
    with transaction.atomic():
        subscription = selectors.subscription(scope, uid, lock=True)
        refusals.check_version(expected=expected_version, version=subscription.version)
        subscription.secrets.filter(expires_at__lte=now).delete()
        live = list(selectors.live_secrets(subscription))
        kind = kind or (live[0].kind if live else Secret.Kind.HMAC)
        if errors := [*errors, *check_secret(kind=kind, secret=secret)]:
            raise refusals.invalid(errors)
        if len(live) >= MAX_LIVE and overlap_s > 0:
            raise refusals.conflict(
                f"{MAX_LIVE} secrets sign already. Wait until one has expired, or rotate with overlap_s 0."
            )
        if overlap_s == 0:
            subscription.secrets.all().delete()
        end = now + timedelta(seconds=overlap_s)
        for old in live if overlap_s else ():
            if old.expires_at is None or old.expires_at > end:
                old.expires_at = end
                old.save(update_fields=["expires_at"])
        shown = add_secret(subscription=subscription, kind=kind, secret=secret)
        touch(
            scope=scope,
            subscription=subscription,
            action="subscription.secret_rotated",
            changes={
                "secrets": [len(live), 1 if overlap_s == 0 else len(live) + 1],
                "overlap_s": [None, overlap_s],
            },
        )
    return subscription, shown


def reveal_secret(*, scope: Scope, uid: str) -> list[Shown]:
    """The live secrets' values, newest first; who asked is in the audit."""
    with transaction.atomic():
        subscription = selectors.subscription(scope, uid)
        rows = list(selectors.live_secrets(subscription))
        shown = [_shown(row, vault.open_secret(subscription=uid, sealed=row.sealed)) for row in rows]
        audit.record(
            scope=scope,
            action="subscription.secret_revealed",
            target_kind="subscription",
            target=subscription.uid,
        )
    return shown


def _made(kind: str) -> str:
    return new_keypair()[0] if kind == Secret.Kind.ED25519 else new_secret()


def _checked(text: str, *, kind: str) -> str:
    wanted = "private" if kind == Secret.Kind.ED25519 else "secret"
    if parse_secret(text).kind != wanted:
        prefix = "whsk_" if wanted == "private" else "whsec_"
        raise BadSecret(f"a secret of kind {kind} begins with {prefix}")
    return text


def _shown(row: Secret, text: str) -> Shown:
    value = public_of(parse_secret(text)) if row.kind == Secret.Kind.ED25519 else text
    return Shown(kind=row.kind, value=value, created_at=row.created_at, expires_at=row.expires_at)
