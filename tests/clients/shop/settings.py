"""Django's settings of a shop that receives webhooks: its own, and not the hub's. DATABASE_URL says where its tables are."""

from __future__ import annotations

import os

from psycopg.conninfo import conninfo_to_dict

from tests.clients.signing import SECRET

_url = conninfo_to_dict(os.environ["DATABASE_URL"])
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _url["dbname"],
        "USER": _url["user"],
        "HOST": _url["host"],
        "PORT": _url.get("port", ""),
        "OPTIONS": {"options": _url.get("options", "")},
        "ATOMIC_REQUESTS": os.environ.get("ATOMIC_REQUESTS") == "yes",
    },
    "light": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ.get("SQLITE", ":memory:")},
}
INSTALLED_APPS = ["trunkline_consumer.django", "tests.clients.shop"]
MIDDLEWARE = ["django.middleware.common.CommonMiddleware", "django.middleware.csrf.CsrfViewMiddleware"]
ROOT_URLCONF = "tests.clients.shop.urls"
SECRET_KEY = "of no use to anybody"
ALLOWED_HOSTS = ["127.0.0.1"]
USE_TZ = True
TRUNKLINE_SECRETS = [SECRET]
