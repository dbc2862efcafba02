"""The Django app of the read models."""

from django.apps import AppConfig


class InsightsConfig(AppConfig):
    name = "hub.insights"
    label = "insights"
