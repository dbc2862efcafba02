"""The Django application of the kernel's tables."""

from django.apps import AppConfig


class ReactorsConfig(AppConfig):
    name = "hub.reactors"
    label = "reactors"
