"""The shop as an app without migrations. It does nothing when it is ready."""

from __future__ import annotations

from django.apps import AppConfig


class ShopConfig(AppConfig):
    name = "tests.clients.shop"
    label = "shop"
    default_auto_field = "django.db.models.BigAutoField"
