"""The addresses of the API and of its pages.

The hot paths under /api/v1/events are answered before Django.
"""

from django.urls import path
from django.views.decorators.cache import cache_control

from hub.api.schema import DocumentView
from hub.api.views import audit, consumers, environment, keys, members, pages, secrets, subscriptions

_SUBSCRIPTION = "api/v1/subscriptions/<str:subscription>"

urlpatterns = [
    path("", pages.home, name="home"),
    path("api/docs/", pages.docs, name="api-docs"),
    path("problems/<slug:code>", pages.problem, name="problem"),
    path("api/v1/openapi.json", cache_control(max_age=300)(DocumentView.as_view()), name="openapi"),
    path("api/v1/environment", environment.EnvironmentView.as_view(), name="environment"),
    path("api/v1/consumers", consumers.ConsumersView.as_view(), name="consumers"),
    path("api/v1/consumers/<str:consumer>", consumers.ConsumerView.as_view(), name="consumer"),
    path("api/v1/subscriptions", subscriptions.SubscriptionsView.as_view(), name="subscriptions"),
    path(_SUBSCRIPTION, subscriptions.SubscriptionView.as_view(), name="subscription"),
    path(f"{_SUBSCRIPTION}/pause", subscriptions.PauseView.as_view(), name="subscription-pause"),
    path(f"{_SUBSCRIPTION}/resume", subscriptions.ResumeView.as_view(), name="subscription-resume"),
    path(f"{_SUBSCRIPTION}/enable", subscriptions.EnableView.as_view(), name="subscription-enable"),
    path(f"{_SUBSCRIPTION}/disable", subscriptions.DisableView.as_view(), name="subscription-disable"),
    path(f"{_SUBSCRIPTION}/secrets", secrets.SecretsView.as_view(), name="secrets"),
    path(f"{_SUBSCRIPTION}/secrets/rotate", secrets.RotateView.as_view(), name="secrets-rotate"),
    path(f"{_SUBSCRIPTION}/secrets/reveal", secrets.RevealView.as_view(), name="secrets-reveal"),
    path("api/v1/keys", keys.KeysView.as_view(), name="keys"),
    path("api/v1/keys/<str:key>", keys.KeyView.as_view(), name="key"),
    path("api/v1/members", members.MembersView.as_view(), name="members"),
    path("api/v1/members/<str:member>", members.MemberView.as_view(), name="member"),
    path("api/v1/audit", audit.AuditView.as_view(), name="audit"),
]
