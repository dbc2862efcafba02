"""Subscriptions: made, changed, deleted (a tombstone stays). Its consumer and its shard never change."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from hub.core.addresses import BadUrl, check_url
from hub.core.ids import new_id
from hub.sinks.addresses import is_sink
from hub.subscriptions import policy, selectors, vault
from hub.subscriptions.auth import check_auth
from hub.subscriptions.models import Secret, Subscription
from hub.subscriptions.services import client_certificates, testing
from hub.subscriptions.services.secrets import Shown, add_secret, check_secret
from hub.subscriptions.services.touch import touch
from hub.subscriptions.simulation import stored
from hub.tenants import refusals
from hub.tenants.models import Capture, Consumer
from hub.tenants.scoping import Scope
from hub.tenants.services import audit, bump, checks, consumers

PLAIN: Final = (
    *("name", "url", "patterns", "channels", "rate_limit", "rate_burst", "parallelism", "timeout_s"),
    *("ordering", "max_age_s", "retry_schedule", "simulate", "capture", "metadata"),
)
FIELDS: Final = (*PLAIN, "headers", "auth", "client_certificate")


def create(
    *,
    scope: Scope,
    fields: Mapping[str, Any],
    consumer: str | None = None,
    secret_kind: str = "hmac",
    secret: str | None = None,
    now: datetime | None = None,
) -> tuple[Subscription, Shown]:
    """A subscription of the environment, or of a consumer (con_ id or uid), and its first secret.

    `fields` holds any of FIELDS; url and patterns are needed. A consumer's own key creates for that consumer. `now` is
    needed with a client certificate, which is judged by it.
    """
    needed = [(name, "is needed") for name in ("url", "patterns") if name not in fields]
    certificate, wrong = client_certificates.judged(fields, now=now)
    if errors := [*needed, *_problems(scope, fields), *wrong, *check_secret(kind=secret_kind, secret=secret)]:
        raise refusals.invalid(errors)
    environment = scope.environment()
    with transaction.atomic():
        owner = _owner(scope, consumer)
        generation = bump("subscriptions")
        if owner is not None:
            _check_limit(owner)
        subscription = Subscription(
            uid=new_id("sub"),
            environment=environment,
            consumer=owner,
            shard=environment.shard if owner is None else owner.shard,
            generation=generation,
        )
        _apply(subscription, fields, certificate)
        subscription.save(force_insert=True)
        shown = add_secret(subscription=subscription, kind=secret_kind, secret=secret)
        changes = audit.created(subscription, (*PLAIN, "header_names", "auth_kind", "client_certificate"))
        if owner is not None:
            changes["consumer"] = [None, owner.public_id]
        audit.record(
            scope=scope,
            action="subscription.created",
            target_kind="subscription",
            target=subscription.uid,
            changes=changes,
        )
    return subscription, shown


def update(
    *,
    scope: Scope,
    uid: str,
    fields: Mapping[str, Any],
    expected_version: int | None = None,
    now: datetime | None = None,
) -> Subscription:
    """Change any of FIELDS; each replaces the old value as a whole. In force with the next event. `now`: see `create`."""
    certificate, wrong = client_certificates.judged(fields, now=now)
    if errors := [*_problems(scope, fields), *wrong]:
        raise refusals.invalid(errors)
    with transaction.atomic():
        subscription = selectors.subscription(scope, uid, lock=True)
        refusals.check_version(expected=expected_version, version=subscription.version)
        columns, changes = _apply(subscription, fields, certificate)
        if changes:
            touch(
                scope=scope,
                subscription=subscription,
                action="subscription.updated",
                fields=columns,
                changes=changes,
            )
    return subscription


def delete(*, scope: Scope, uid: str, expected_version: int | None = None) -> None:
    """Nothing more goes to it; what waits is cancelled by its owner. The secrets go at once."""
    with transaction.atomic():
        subscription = selectors.subscription(scope, uid, lock=True)
        refusals.check_version(expected=expected_version, version=subscription.version)
        _end(scope, subscription)


def delete_consumer(*, scope: Scope, ref: str, expected_version: int | None = None) -> None:
    """End a consumer with all that is its own: subscriptions and keys."""
    scope.whole_environment()
    with transaction.atomic():
        consumer = scope.consumer(ref, lock=True)
        refusals.check_version(expected=expected_version, version=consumer.version)
        owned = (
            selectors.subscriptions(scope)
            .filter(consumer=consumer)
            .select_for_update(of=("self",), no_key=True)
        )
        # Always "keys" before "subscriptions": two changes that take both must not wait for each other.
        bump("keys")
        for subscription in owned.order_by("id"):
            _end(scope, subscription)
        consumers.end(scope=scope, consumer=consumer)


def _end(scope: Scope, subscription: Subscription) -> None:
    subscription.secrets.all().delete()
    subscription.deleted_at = Now()
    subscription.headers_sealed = subscription.auth_sealed = None
    client_certificates.put(subscription, None)
    touch(
        scope=scope,
        subscription=subscription,
        action="subscription.deleted",
        fields=("deleted_at", "headers_sealed", "auth_sealed", *client_certificates.COLUMNS),
        changes={"url": [subscription.url, None]},
    )


def _owner(scope: Scope, consumer: str | None) -> Consumer | None:
    if consumer is not None:
        # Locked, so that it is not ended while it gets a subscription.
        return scope.consumer(consumer, lock=True)
    if scope.consumer_id is None:
        return None
    found = scope.consumers().select_for_update(no_key=True).first()
    if found is None:
        raise refusals.not_found("consumer")
    return found


def _check_limit(consumer: Consumer) -> None:
    limit = consumer.limits.get("subscriptions")
    if limit is not None:
        present = Subscription.objects.filter(consumer=consumer, deleted_at=None).count()
        if present >= limit:
            raise refusals.conflict(
                f"This consumer may have {limit} subscriptions and has {present}. Delete one or raise the limit."
            )


def _problems(scope: Scope, fields: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = [*policy.problems(fields), *testing.problems(scope, fields)]
    if "name" in fields:
        found.extend(checks.name(fields["name"]))
    if "metadata" in fields:
        found.extend(checks.metadata(fields["metadata"]))
    if "auth" in fields:
        found.extend(("auth", message) for message in _auth_problems(fields["auth"]))
    if fields.get("capture", "") not in ("", *Capture.values):
        found.append(
            ("capture", f"must be one of {', '.join(Capture.values)}, or empty for the environment's")
        )
    if "url" in fields and not is_sink(fields["url"]) and (message := _url_problem(fields["url"])):
        found.append(("url", message))
    return found


def _auth_problems(auth: Any) -> list[str]:
    found = check_auth(auth)
    if not found and auth["kind"] == "oauth2" and (message := _url_problem(auth["token_url"])):
        found.append(f"token_url: {message}")
    return found


def _url_problem(url: str) -> str:
    try:
        check_url(url, allow_http=settings.ENV["OUTBOUND_HTTP"], guard=vault.guard())
    except BadUrl as error:
        return error.sentence
    return ""


def _apply(
    subscription: Subscription, fields: Mapping[str, Any], certificate: client_certificates.Judged | None
) -> tuple[list[str], dict[str, Any]]:
    """Set the fields on the row; (columns to save, changes for the audit).

    Secret values only by their names.
    """
    plain = {name: fields[name] for name in PLAIN if name in fields}
    if plain.get("simulate") is not None:
        plain["simulate"] = stored(plain["simulate"])
    changes: dict[str, Any] = audit.apply(subscription, plain)
    columns = list(changes)
    if "headers" in fields:
        names = sorted(fields["headers"])
        changes["headers"] = [subscription.header_names, names]
        subscription.header_names = names
        subscription.headers_sealed = vault.seal_map(
            subscription=subscription.uid, part="headers", values=dict(fields["headers"])
        )
        columns += ["header_names", "headers_sealed"]
    if "auth" in fields:
        auth = dict(fields["auth"])
        kind = auth.pop("kind")
        changes["auth"] = [subscription.auth_kind, kind]
        subscription.auth_kind = kind
        subscription.auth_sealed = vault.seal_map(subscription=subscription.uid, part="auth", values=auth)
        columns += ["auth_kind", "auth_sealed"]
    if certificate is not None or ("client_certificate" in fields and subscription.client_certificate):
        changes["client_certificate"] = client_certificates.put(subscription, certificate)
        columns += client_certificates.COLUMNS
    client_certificates.check_use(subscription)
    return columns, changes


SECRET_KINDS: Final = tuple(Secret.Kind.values)
