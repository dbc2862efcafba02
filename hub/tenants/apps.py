"""The Django app of tenants."""

from django.apps import AppConfig


class TenantsConfig(AppConfig):
    name = "hub.tenants"
    label = "tenants"
