"""The Django app of subscriptions."""

from django.apps import AppConfig


class SubscriptionsConfig(AppConfig):
    name = "hub.subscriptions"
    label = "subscriptions"
