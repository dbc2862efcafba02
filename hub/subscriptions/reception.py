"""A request that comes to a sink over HTTP: judged by the secrets of the subscription it says it is of, then kept."""

from __future__ import annotations

from hub.core import ids
from hub.sinks import catching, selectors, services
from hub.sinks.catching import Answer, Request
from hub.subscriptions import vault
from hub.subscriptions.models import Subscription
from hub.subscriptions.selectors import live_secrets


def receive(request: Request, *, now: float) -> Answer:
    """What the sink answers. Anybody may send who knows the token; `now` is seconds since 1970."""
    environment = selectors.environment_of(request.token)
    if environment is None:
        return catching.answer(None)
    signature = catching.judge(request, _secrets(request, environment), now=now)
    return services.catch(request, environment=environment, signature=signature)


def _secrets(request: Request, environment: int) -> list[str]:
    message = catching.message_id(request)
    if not message:
        return []
    _, number = ids.parse_message_id(message)
    if number >= 2**31:
        return []
    subscription = Subscription.objects.filter(id=number, environment_id=environment, deleted_at=None).first()
    if subscription is None:
        return []
    return [
        vault.open_secret(subscription=subscription.uid, sealed=secret.sealed)
        for secret in live_secrets(subscription)
    ]
