"""What staff see of subscriptions, to read only. Sealed columns are left out."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from hub.subscriptions.models import Subscription


@admin.register(Subscription)
class SubscriptionAdmin(admin.ModelAdmin):
    list_display = ("uid", "environment", "consumer", "url", "state", "state_since", "deleted_at")
    list_filter = ("state", "ordering")
    search_fields = ("uid", "url", "name")
    list_select_related = ("environment__tenant", "consumer")
    exclude = ("headers_sealed", "auth_sealed", "client_certificate_sealed")
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
