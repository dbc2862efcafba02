"""The app, so that its table is migrated. It does nothing when it is ready."""

from __future__ import annotations

from django.apps import AppConfig


class ConsumerConfig(AppConfig):
    name = "trunkline_consumer.django"
    label = "trunkline_consumer"
    verbose_name = "Trunkline's deliveries"
