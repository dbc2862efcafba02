"""The one table of environment variables, each checked at start.

Only the supervisor of `make run` reads three more, for its own folder and processes: TRUNKLINE_LOCAL, PROCFILE and
EMBEDDED_SHARED_BUFFERS.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from hub.core.proxy import Proxy

LOCAL = Path(__file__).resolve().parent.parent / ".local"


class BadEnvironment(ValueError):
    """A variable has a value the hub can't start with; the message says which and what to put there."""


@dataclass(frozen=True, slots=True)
class Variable:
    name: str
    default: str
    parse: Callable[[str], Any]
    help: str
    secret: bool = False


def _text(value: str) -> str:
    return value


def _bool(value: str) -> bool:
    word = value.strip().lower()
    if word in {"1", "true", "yes", "on"}:
        return True
    if word in {"0", "false", "no", "off", ""}:
        return False
    raise ValueError("must be true or false")


def _words(value: str) -> list[str]:
    return [word.strip() for word in value.split(",") if word.strip()]


def _integer(low: int, high: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not value.strip().isdigit() or not low <= int(value) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(value)

    return parse


def _choice(*choices: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return value

    return parse


def _networks(value: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    try:
        return [ipaddress.ip_network(word) for word in _words(value)]
    except ValueError as error:
        raise ValueError(f"must be networks such as 127.0.0.0/8,::1/128 ({error})") from None


def _url(*schemes: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value and urlsplit(value).scheme not in schemes:
            raise ValueError(f"must be a URL that starts with {' or '.join(s + '://' for s in schemes)}")
        return value

    return parse


def _proxy(value: str) -> Proxy | None:
    return Proxy.from_url(value) if value.strip() else None


def _file(value: str) -> str:
    if value and not Path(value).is_file():
        raise ValueError("must name a file that exists")
    return value


VARIABLES = (
    Variable(
        "DATABASE_URL",
        "",
        _url("postgresql", "postgres"),
        "PostgreSQL of the hub; empty: `make run` starts an embedded one",
        secret=True,
    ),
    Variable(
        "DATABASE_OWNER_URL",
        "",
        _url("postgresql", "postgres"),
        "the role that owns the tables and migrates; empty: the same as DATABASE_URL",
        secret=True,
    ),
    Variable(
        "REDIS_URL",
        "",
        _url("redis", "rediss", "unix"),
        "Redis or Valkey; empty: `make run` starts an embedded one",
        secret=True,
    ),
    Variable(
        "CELERY_BROKER_URL",
        "",
        _url("redis", "rediss", "redis+socket", "amqp", "amqps"),
        "Celery's broker; empty: REDIS_URL",
        secret=True,
    ),
    Variable("SECRET_KEY", "", _text, "Django's signing key, 50 random characters", secret=True),
    Variable(
        "SEALING_KEYS",
        "",
        _text,
        "keys that seal secrets at rest, id:base64 of 32 bytes, comma separated, the first seals",
        secret=True,
    ),
    Variable("HOST", "127.0.0.1", _text, "address the web process listens on"),
    Variable("PORT", "8000", _integer(1, 65535), "port the web process listens on"),
    Variable(
        "HANDOVER",
        "",
        _text,
        "folder in which web and pages meet on one machine; empty: one in the temporary folder, by user and PORT",
    ),
    Variable(
        "PUBLIC_URL",
        "",
        _url("http", "https"),
        "how browsers and partners reach the hub; empty: http://HOST:PORT",
    ),
    Variable("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]", _words, "host names the hub answers to"),
    Variable("DEBUG", "false", _bool, "development only: Django's debug pages"),
    Variable(
        "LOG_LEVEL", "INFO", _choice("DEBUG", "INFO", "WARNING", "ERROR"), "least severe level that is logged"
    ),
    Variable(
        "OUTBOUND_NETWORKS",
        "",
        _networks,
        "private networks deliveries may reach all the same, such as 127.0.0.0/8 in development",
    ),
    Variable("OUTBOUND_HTTP", "false", _bool, "let subscriptions use http:// URLs"),
    Variable("OUTBOUND_CA_FILE", "", _file, "further certificate authorities for outbound TLS, a PEM file"),
    Variable(
        "OUTBOUND_PROXY",
        "",
        _proxy,
        "proxy that all deliveries and token requests go through, http://[user:password@]host:port; empty: none",
        secret=True,
    ),
    Variable(
        "METRICS_TOKEN",
        "",
        _text,
        "whoever sends it as Bearer may read /metrics; empty: only direct callers from this machine",
        secret=True,
    ),
    Variable("ENGINE", "true", _bool, "whether a Celery worker of this environment owns shards and delivers"),
    Variable(
        "ENGINE_SENDS",
        "1000",
        _integer(1, 20000),
        "requests in flight and outcomes not yet recorded, at most",
    ),
    Variable(
        "CAPTURE_BYTES", "16384", _integer(0, 65536), "how much of an answer is kept for a failed attempt"
    ),
    Variable(
        "PAUSED",
        "false",
        _bool,
        "nothing is sent anywhere: events are taken and routed, deliveries wait; for the first start after a restore",
    ),
    Variable(
        "FOLDING",
        "true",
        _bool,
        "whether engines fold read models; while false these stand still, and catch up afterwards",
    ),
    Variable("INSIGHTS_MINUTES_DAYS", "2", _integer(1, 60), "days for which statistics are kept by minute"),
    Variable("INSIGHTS_HOURS_DAYS", "60", _integer(1, 800), "days for which statistics are kept by hour"),
    Variable("INSIGHTS_DAYS_DAYS", "1100", _integer(31, 10000), "days for which statistics are kept by day"),
    Variable(
        "INGEST_PENDING",
        "4000",
        _integer(1, 100000),
        "events waiting for their commit in a web process before it answers 503",
    ),
)


def read(environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Every variable's checked value by name. Raises BadEnvironment, naming the variable and the remedy."""
    values = {}
    for variable in VARIABLES:
        text = environ.get(variable.name, variable.default)
        try:
            values[variable.name] = variable.parse(text)
        except ValueError as error:
            shown = "its value" if variable.secret else repr(text)
            raise BadEnvironment(f"{variable.name} {error}; {shown} is not ({variable.help}).") from None
    return values


def database(url: str) -> dict[str, Any]:
    """A postgresql:// URL as Django's DATABASES entry; `host` in the query may be a socket folder."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    name = unquote(parts.path.lstrip("/"))
    if not name:
        raise BadEnvironment(
            "DATABASE_URL must end with the database's name: postgresql://user:password@host:5432/name."
        )
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.pop("host", "") or parts.hostname or "",
        "PORT": str(parts.port or query.pop("port", "") or ""),
        "OPTIONS": query,
    }


def adopt(local: Path = LOCAL) -> None:
    """Let commands run beside `make run` without settings of their own: take what it wrote down, where nothing is set."""
    path = Path(os.environ.get("TRUNKLINE_LOCAL", local)) / "runtime.env"
    if "DATABASE_URL" in os.environ or not path.exists():
        return
    for line in path.read_text().splitlines():
        name, _, value = line.partition("=")
        os.environ.setdefault(name, value)
