"""Active, paused, disabled: who may go where is policy's table; this writes it down.

Waiting deliveries are not touched.
"""

from __future__ import annotations

from django.db import transaction
from django.db.models.functions import Now

from hub.subscriptions import policy, selectors
from hub.subscriptions.models import Subscription
from hub.subscriptions.policy import StateReason, SubscriptionState
from hub.subscriptions.services.touch import touch
from hub.tenants import refusals
from hub.tenants.scoping import Scope


def pause(*, scope: Scope, uid: str, expected_version: int | None = None) -> Subscription:
    """Events are still routed to it and wait."""
    return _change(scope, uid, SubscriptionState.paused, "subscription.paused", expected=expected_version)


def resume(*, scope: Scope, uid: str, expected_version: int | None = None) -> Subscription:
    """A paused one sends again. What the hub or a person disabled takes `enable`."""
    return _change(
        scope,
        uid,
        SubscriptionState.active,
        "subscription.resumed",
        refused=(SubscriptionState.disabled, "It is disabled; enable it instead."),
        expected=expected_version,
    )


def enable(*, scope: Scope, uid: str, expected_version: int | None = None) -> Subscription:
    """A disabled one is routed to again, from the next event on."""
    return _change(
        scope,
        uid,
        SubscriptionState.active,
        "subscription.enabled",
        refused=(SubscriptionState.paused, "It is paused; resume it instead."),
        expected=expected_version,
    )


def disable(
    *,
    scope: Scope,
    uid: str,
    reason: StateReason = StateReason.asked,
    detail: str = "",
    expected_version: int | None = None,
) -> Subscription:
    """No event is routed to it any more.

    `detail` is a sentence for people; without one the reason's word stands.
    """
    return _change(
        scope,
        uid,
        SubscriptionState.disabled,
        "subscription.disabled",
        reason=reason,
        detail=detail,
        expected=expected_version,
    )


def _change(
    scope: Scope,
    uid: str,
    new: SubscriptionState,
    action: str,
    *,
    reason: StateReason = StateReason.asked,
    detail: str = "",
    refused: tuple[SubscriptionState, str] | None = None,
    expected: int | None = None,
) -> Subscription:
    with transaction.atomic():
        subscription = selectors.subscription(scope, uid, lock=True)
        refusals.check_version(expected=expected, version=subscription.version)
        old = SubscriptionState(subscription.state)
        if refused is not None and old == refused[0]:
            raise refusals.conflict(refused[1])
        if problems := policy.state_problems(old=old, new=new, reason=reason):
            raise refusals.conflict(f"It {problems[0][1]}.")
        if old != new:
            subscription.state = new.value
            subscription.state_reason = "" if new is SubscriptionState.active else detail or reason.value
            subscription.state_since = Now()
            touch(
                scope=scope,
                subscription=subscription,
                action=action,
                fields=("state", "state_reason", "state_since"),
                changes={"state": [old.value, new.value], "reason": [None, reason.value]},
            )
    return subscription
