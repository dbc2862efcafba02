"""What staff see of tenants: everything but hashes, nearly all of it to read only; the kill switch goes
through the service.
"""

from __future__ import annotations

from typing import ClassVar

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from hub.tenants import scoping
from hub.tenants.models import ApiKey, AuditEntry, Consumer, Environment, Member, Tenant, User
from hub.tenants.services import tenants


class ReadOnly(admin.ModelAdmin):
    """Rows to look at. What changes them is the API, so that no change goes without its audit entry."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(User)
class PersonAdmin(UserAdmin):
    """People; their passwords are set here by staff."""

    ordering = ("email",)
    list_display = ("email", "name", "is_staff", "is_active", "last_login")
    list_filter = ("is_staff", "is_superuser", "is_active")
    search_fields = ("email", "name")
    readonly_fields = ("created_at", "last_login")
    fieldsets = (
        (None, {"fields": ("email", "password", "name")}),
        ("Rights", {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")}),
        ("Dates", {"fields": ("last_login", "created_at")}),
    )
    add_fieldsets = ((None, {"fields": ("email", "usable_password", "password1", "password2")}),)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        # The audit names people; deactivate instead.
        return False


@admin.register(Tenant)
class TenantAdmin(ReadOnly):
    list_display = ("name", "slug", "uid", "suspended", "created_at")
    list_filter = ("suspended",)
    search_fields = ("name", "slug", "uid")
    actions: ClassVar = ["suspend", "resume"]

    @admin.action(description="Suspend: refuse its keys, send nothing")
    def suspend(self, request: HttpRequest, rows: QuerySet[Tenant]) -> None:
        self._set(request, rows, suspended=True)

    @admin.action(description="Resume")
    def resume(self, request: HttpRequest, rows: QuerySet[Tenant]) -> None:
        self._set(request, rows, suspended=False)

    def _set(self, request: HttpRequest, rows: QuerySet[Tenant], *, suspended: bool) -> None:
        if not request.user.has_perm("tenants.change_tenant"):
            self.message_user(request, "You may look at tenants, but not change them.", level="error")
            return
        for tenant in rows:
            scope = scoping.staff(tenant=tenant, actor=str(request.user), ip=request.META.get("REMOTE_ADDR"))
            tenants.set_suspended(scope=scope, suspended=suspended)
        self.message_user(request, f"{len(rows)} done; it is in the audit.")


@admin.register(Environment)
class EnvironmentAdmin(ReadOnly):
    list_display = ("name", "tenant", "kind", "uid", "shard", "paused", "capture")
    list_filter = ("kind", "paused")
    search_fields = ("name", "uid", "tenant__name")
    list_select_related = ("tenant",)


@admin.register(Consumer)
class ConsumerAdmin(ReadOnly):
    list_display = ("uid", "name", "public_id", "environment", "shard", "created_at", "deleted_at")
    search_fields = ("uid", "public_id", "name")
    list_select_related = ("environment__tenant",)


@admin.register(Member)
class MemberAdmin(ReadOnly):
    list_display = ("user", "tenant", "role", "created_at")
    list_filter = ("role",)
    search_fields = ("user__email", "tenant__name")
    list_select_related = ("user", "tenant")


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnly):
    list_display = ("prefix", "name", "environment", "consumer", "last_used_at", "expires_at", "revoked_at")
    search_fields = ("prefix", "name", "uid")
    exclude = ("hash",)
    list_select_related = ("environment__tenant", "consumer")


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly):
    list_display = ("at", "tenant", "actor_kind", "actor", "action", "target")
    list_filter = ("actor_kind", "target_kind")
    search_fields = ("actor", "target", "request_id")
    list_select_related = ("tenant",)
