"""The Django app of replays."""

from django.apps import AppConfig


class ReplayConfig(AppConfig):
    name = "hub.replay"
    label = "replay"
