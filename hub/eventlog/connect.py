"""Direct psycopg sessions for the hot paths, beside Django's ORM. It never pools and never repeats a statement."""

from __future__ import annotations

from typing import Any

import psycopg
from django.db import connection as django_connection

from hub.eventlog import arrays

# A fresh day's partition has no statistics, and hash joins or sorts over a backlog cost a thousand times an index walk.
PLANS = {"enable_sort": "off", "enable_bitmapscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off",
         "plan_cache_mode": "force_generic_plan", "jit": "off", "enable_seqscan": "off"}  # fmt: skip


def parameters(*, name: str, options: dict[str, str]) -> dict[str, Any]:
    """Keyword arguments for psycopg.connect from Django's own database entry, keepalives on, UTC."""
    entry = django_connection.settings_dict
    extra = {key: value for key, value in entry["OPTIONS"].items() if key != "pool"}
    given = {
        "dbname": entry["NAME"],
        "user": entry["USER"],
        "password": entry["PASSWORD"],
        "host": entry["HOST"],
        "port": entry["PORT"],
    }
    flags = " ".join(f"-c {key}={value}" for key, value in {"TimeZone": "UTC", **options}.items())
    return {
        **{key: value for key, value in given.items() if value},
        **extra,
        "application_name": f"trunkline {name}",
        "options": flags,
        "connect_timeout": 5,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
        "autocommit": True,
        "prepare_threshold": 0,
    }


async def open_session(*, name: str, **options: str) -> psycopg.AsyncConnection[tuple[Any, ...]]:
    """An autocommit session with `SET`s given as options; the caller closes it. Raises psycopg.OperationalError."""
    session = await psycopg.AsyncConnection.connect(**parameters(name=name, options=options))
    session.prepared_max = 1000
    arrays.register(session.adapters)
    return session
