"""The Django app of routing."""

from django.apps import AppConfig


class RoutingConfig(AppConfig):
    name = "hub.routing"
    label = "routing"
