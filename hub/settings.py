"""Django's settings, all of them; every value that differs between machines comes from hub.env."""

from __future__ import annotations

import sys
from pathlib import Path

from hub import env
from hub.ops import logs

BASE_DIR = Path(__file__).resolve().parent.parent
ENV = env.read()

if not ENV["DATABASE_URL"]:
    raise env.BadEnvironment(
        "DATABASE_URL is not set. Start the hub with `make run` first, or name a PostgreSQL yourself."
    )
if not ENV["SECRET_KEY"] or not ENV["SEALING_KEYS"]:
    raise env.BadEnvironment("SECRET_KEY and SEALING_KEYS must be set; `make run` makes both in .local/env.")

SECRET_KEY = ENV["SECRET_KEY"]
DEBUG = ENV["DEBUG"]
ALLOWED_HOSTS = ENV["ALLOWED_HOSTS"]
PUBLIC_URL = ENV["PUBLIC_URL"] or f"http://{ENV['HOST']}:{ENV['PORT']}"
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "hub.tenants",
    "hub.eventlog",
    "hub.sinks",
    "hub.subscriptions",
    "hub.delivery",
    "hub.routing",
    "hub.consumption",
    "hub.reactors",
    "hub.insights",
    "hub.replay",
    "hub.ingest",
    "hub.api",
    "hub.ops",
]

MIDDLEWARE = [
    "hub.ops.middleware.probes",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "hub.urls"
ASGI_APPLICATION = "hub.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# Only commands that change the schema act as the owner of the tables; everything that serves has the lesser role.
_OWNER = bool({"migrate", "test", "prepare", "flush"} & set(sys.argv[1:2])) and ENV["DATABASE_OWNER_URL"]
DATABASES = {"default": env.database(ENV["DATABASE_OWNER_URL"] if _OWNER else ENV["DATABASE_URL"])}
if Path(sys.argv[0]).name != "manage.py":
    # Threads of the web process come and go; a command has one connection, and should fail at once where it can't.
    DATABASES["default"]["OPTIONS"] |= {"pool": {"min_size": 0, "max_size": 8, "timeout": 10, "max_idle": 60}}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
AUTH_USER_MODEL = "tenants.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PUBLIC_URL.startswith("https://")
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

REDIS_URL = ENV["REDIS_URL"]
CELERY_BROKER_URL = ENV["CELERY_BROKER_URL"] or REDIS_URL.replace("unix://", "redis+socket://")

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["hub.api.authentication.KeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["hub.api.permissions.ScopePermission"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["hub.api.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "hub.api.schema.AutoSchema",
    "EXCEPTION_HANDLER": "hub.api.errors.handler",
    "UNAUTHENTICATED_USER": None,
    "DATETIME_FORMAT": "%Y-%m-%dT%H:%M:%S.%fZ",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Trunkline API",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {"SecretKindEnum": "hub.subscriptions.models.Secret.Kind"},
}
LOGGING_CONFIG = None

# The broker may vanish at any time: nobody waits for it, and nothing of value is in it.
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1}
CELERY_BROKER_TRANSPORT_OPTIONS = (
    {
        "socket_timeout": 5,
        "socket_connect_timeout": 2,
        "health_check_interval": 10,
        "visibility_timeout": 3600,
    }
    if "amqp" not in CELERY_BROKER_URL
    else {}
)
CELERY_TIMEZONE = "UTC"

logs.configure(ENV["LOG_LEVEL"])
