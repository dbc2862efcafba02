"""The Django app of sinks."""

from django.apps import AppConfig


class SinksConfig(AppConfig):
    name = "hub.sinks"
    label = "sinks"
