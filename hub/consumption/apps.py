"""The Django app of consumption."""

from django.apps import AppConfig


class ConsumptionConfig(AppConfig):
    name = "hub.consumption"
    label = "consumption"
