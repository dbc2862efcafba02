"""The Django app of eventlog."""

from django.apps import AppConfig


class EventlogConfig(AppConfig):
    name = "hub.eventlog"
    label = "eventlog"
