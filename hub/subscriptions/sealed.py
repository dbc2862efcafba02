"""Which columns of subscriptions are sealed, for a change of keys. It never opens one."""

from __future__ import annotations

from typing import Final

from hub.subscriptions import vault
from hub.subscriptions.models import Secret, Subscription
from hub.subscriptions.services.resealing import Sealed

SEALED: Final = (
    Sealed(
        kind="signing secret",
        model=Secret,
        column="sealed",
        needs=("subscription__uid",),
        context=lambda uid: vault.context(uid, "secret"),
        shown=lambda pk, uid: f"{pk} of {uid}",
    ),
    Sealed(
        kind="custom headers",
        model=Subscription,
        column="headers_sealed",
        needs=("uid",),
        context=lambda uid: vault.context(uid, "headers"),
        shown=lambda pk, uid: f"of {uid}",
    ),
    Sealed(
        kind="endpoint auth",
        model=Subscription,
        column="auth_sealed",
        needs=("uid",),
        context=lambda uid: vault.context(uid, "auth"),
        shown=lambda pk, uid: f"of {uid}",
    ),
    Sealed(
        kind="client certificate",
        model=Subscription,
        column="client_certificate_sealed",
        needs=("uid",),
        context=lambda uid: vault.context(uid, "client-certificate"),
        shown=lambda pk, uid: f"of {uid}",
    ),
)
