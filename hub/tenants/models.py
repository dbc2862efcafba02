"""Who is here: users, tenants, environments, consumers, members, keys, audit.

Rows only; services change them.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

SHARDS = 64


def one_of(field: str, *, values: list[str], name: str) -> models.CheckConstraint:
    """A CHECK that the text column holds one of the values."""
    return models.CheckConstraint(condition=models.Q(**{f"{field}__in": values}), name=name)


def shard_range(name: str) -> models.CheckConstraint:
    """A CHECK that `shard` is 0..63."""
    return models.CheckConstraint(condition=models.Q(shard__gte=0, shard__lt=SHARDS), name=name)


class Capture(models.TextChoices):
    """Which answers of endpoints are kept."""

    FAILURES = "failures"
    ALL = "all"
    NONE = "none"


class UserManager(BaseUserManager["User"]):
    """Creates users; an email is one person, however it is typed."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        return self.create_user(email, password, **{**fields, "is_staff": True, "is_superuser": True})

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email=(username or "").strip().lower())


class User(AbstractBaseUser, PermissionsMixin):
    """A person who signs in; belongs to tenants by Member rows."""

    email = models.EmailField(max_length=254, unique=True)
    name = models.CharField(max_length=200, blank=True, db_default="")
    is_staff = models.BooleanField(default=False, db_default=False)
    is_active = models.BooleanField(default=True, db_default=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = UserManager()
    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=models.Q(email=models.functions.Lower("email")), name="user_email_is_lower_case"
            ),
        )

    def __str__(self) -> str:
        return self.email


class Tenant(models.Model):
    """A company that runs its integrations here. `suspended` is its kill switch."""

    uid = models.CharField(max_length=40, unique=True, editable=False)
    name = models.CharField(max_length=200)
    slug = models.SlugField(max_length=63, unique=True)
    suspended = models.BooleanField(default=False, db_default=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    def __str__(self) -> str:
        return self.name


class Environment(models.Model):
    """A tenant's live or test ground; nothing crosses from one into another."""

    class Kind(models.TextChoices):
        LIVE = "live"
        TEST = "test"

    uid = models.CharField(max_length=40, unique=True, editable=False)
    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="environments")
    name = models.CharField(max_length=100)
    kind = models.CharField(max_length=4, choices=Kind)
    shard = models.SmallIntegerField()
    paused = models.BooleanField(default=False, db_default=False)
    capture = models.CharField(max_length=8, choices=Capture, default=Capture.FAILURES, db_default="failures")
    version = models.IntegerField(default=1, db_default=1)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("tenant", "name"), name="environment_name_once_a_tenant"),
            one_of("kind", values=["live", "test"], name="environment_kind_known"),
            one_of("capture", values=["failures", "all", "none"], name="environment_capture_known"),
            shard_range("environment_shard_range"),
        )

    def __str__(self) -> str:
        return f"{self.tenant}/{self.name}"


class Consumer(models.Model):
    """One of the tenant's own customers or partners. Kept as a tombstone (`deleted_at`) when deleted."""

    public_id = models.CharField(max_length=40, unique=True, editable=False)
    uid = models.CharField(max_length=128)
    environment = models.ForeignKey(Environment, models.PROTECT, related_name="consumers", db_index=False)
    name = models.CharField(max_length=200, blank=True, db_default="")
    metadata = models.JSONField(default=dict)
    limits = models.JSONField(default=dict)
    shard = models.SmallIntegerField()
    version = models.IntegerField(default=1, db_default=1)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)
    deleted_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("environment", "uid"),
                condition=models.Q(deleted_at=None),
                name="consumer_uid_once_an_environment",
            ),
            models.CheckConstraint(
                condition=models.Q(uid__regex=r"^[A-Za-z0-9_.:@-]{1,128}$")
                & ~models.Q(uid__startswith="con_"),
                name="consumer_uid_well_formed",
            ),
            shard_range("consumer_shard_range"),
        )
        indexes = (
            models.Index(fields=("environment", "id"), name="consumer_by_environment"),
            # The shards of an environment, one probe each, however many consumers it has.
            models.Index(fields=("environment", "shard"), name="consumer_by_shard"),
        )

    def __str__(self) -> str:
        return self.uid


class Member(models.Model):
    """A user's part in a tenant, by role (see roles.py)."""

    class Role(models.TextChoices):
        OWNER = "owner"
        ADMIN = "admin"
        DEVELOPER = "developer"
        OPERATOR = "operator"
        SUPPORT = "support"
        VIEWER = "viewer"

    uid = models.CharField(max_length=40, unique=True, editable=False)
    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="members", db_index=False)
    user = models.ForeignKey(User, models.PROTECT, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role)
    version = models.IntegerField(default=1, db_default=1)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("tenant", "user"), name="member_once_a_tenant"),
            one_of(
                "role",
                values=["owner", "admin", "developer", "operator", "support", "viewer"],
                name="member_role_known",
            ),
        )

    def __str__(self) -> str:
        return f"{self.user} ({self.role})"


class ApiKey(models.Model):
    """A key to one environment, or to one consumer of it. Only its hash is kept."""

    uid = models.CharField(max_length=40, unique=True, editable=False)
    environment = models.ForeignKey(Environment, models.PROTECT, related_name="keys", db_index=False)
    consumer = models.ForeignKey(Consumer, models.PROTECT, null=True, related_name="keys")
    name = models.CharField(max_length=200, blank=True, db_default="")
    prefix = models.CharField(max_length=20, editable=False)
    hash = models.BinaryField(max_length=32, unique=True)
    scopes = ArrayField(models.CharField(max_length=40))
    rate_limit = models.IntegerField(null=True)
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True, editable=False)
    last_used_at = models.DateTimeField(null=True, editable=False)
    created_by = models.CharField(max_length=254, blank=True, db_default="", editable=False)
    version = models.IntegerField(default=1, db_default=1)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=models.Q(rate_limit=None) | models.Q(rate_limit__gte=1),
                name="key_rate_limit_positive",
            ),
        )
        indexes = (models.Index(fields=("environment", "id"), name="key_by_environment"),)

    def __str__(self) -> str:
        return f"{self.prefix}…"


class AuditEntry(models.Model):
    """Who changed what, when. Triggers refuse to change or remove an entry (see the migration)."""

    id = models.BigAutoField(primary_key=True)
    uid = models.CharField(max_length=40, unique=True, editable=False)
    at = models.DateTimeField(db_default=Now(), editable=False)
    tenant = models.ForeignKey(Tenant, models.PROTECT, null=True, related_name="+", db_index=False)
    environment = models.ForeignKey(Environment, models.PROTECT, null=True, related_name="+", db_index=False)
    actor_kind = models.CharField(max_length=6)
    actor = models.CharField(max_length=254)
    action = models.CharField(max_length=64)
    target_kind = models.CharField(max_length=32)
    target = models.CharField(max_length=254)
    changes = models.JSONField(default=dict)
    ip = models.GenericIPAddressField(null=True)
    request_id = models.CharField(max_length=128, blank=True, db_default="")

    class Meta:
        verbose_name_plural = "audit entries"
        constraints = (
            one_of("actor_kind", values=["member", "key", "staff", "system"], name="audit_actor_kind_known"),
        )
        indexes = (
            models.Index(fields=("tenant", "id"), name="audit_by_tenant"),
            models.Index(fields=("environment", "id"), name="audit_by_environment"),
        )

    def __str__(self) -> str:
        return f"{self.action} {self.target}"


class Generation(models.Model):
    """A counter that readers of cached rows compare: "keys" and "subscriptions"."""

    name = models.TextField(primary_key=True)
    value = models.BigIntegerField(db_default=0)

    def __str__(self) -> str:
        return f"{self.name}={self.value}"
