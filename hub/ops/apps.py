"""The Django app of ops."""

from django.apps import AppConfig


class OpsConfig(AppConfig):
    name = "hub.ops"
    label = "ops"
