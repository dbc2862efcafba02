"""Asks Redis, Celery's broker and the outbound proxy whether they are there. Losing one loses no event, so none is asked
for more.
"""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import redis
from kombu.connection import Connection
from kombu.exceptions import OperationalError

from hub.core.proxy import Proxy
from hub.ops.doctor.finding import Finding, fail, ok, warn

WAIT_S = 2


def place(url: str) -> str:
    """The URL without what only its owner may know."""
    parts = urlsplit(url)
    try:
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        port = ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"


def cache(url: str) -> Finding:
    """REDIS_URL."""
    if not url:
        return fail(
            "redis", "REDIS_URL is empty", "Set REDIS_URL, or start with `make run`, which brings its own."
        )
    try:
        with redis.Redis.from_url(url, socket_timeout=WAIT_S, socket_connect_timeout=WAIT_S) as client:
            info = dict(client.info("server"))  # type: ignore[arg-type]
            info |= dict(client.info("memory"))  # type: ignore[arg-type]
    except (redis.RedisError, ValueError) as error:
        return fail("redis", f"{place(url)} does not answer: {error}", "Start it, or mend REDIS_URL.")
    name = "Valkey" if "valkey_version" in info else "Redis"
    version = info.get("valkey_version") or info.get("redis_version")
    policy = str(info.get("maxmemory_policy", ""))
    if int(info.get("maxmemory", 0)) and policy != "noeviction":
        return warn("redis", f"{name} {version} throws keys away when full ({policy}), queues among them",
                    "Set maxmemory-policy to noeviction.")  # fmt: skip
    return ok("redis", f"{name} {version} at {place(url)}")


def broker(url: str) -> Finding:
    """CELERY_BROKER_URL. Also true of AMQP."""
    try:
        with Connection(  # type: ignore[no-untyped-call]
            url, connect_timeout=WAIT_S, transport_options={"socket_connect_timeout": WAIT_S}
        ) as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=WAIT_S)
            connection.default_channel.close()
    except (OperationalError, OSError, KeyError, ValueError, ImportError) as error:
        return fail(
            "broker",
            f"{place(url)} does not answer: {error}",
            "Start it, or mend CELERY_BROKER_URL (or REDIS_URL).",
        )
    return ok("broker", place(url))


def proxy(there: Proxy) -> Finding:
    """OUTBOUND_PROXY: whether it accepts connections from this machine."""
    try:
        socket.create_connection((there.host, there.port), timeout=WAIT_S).close()
    except OSError as error:
        return fail("proxy", f"{there.place} does not answer: {error.strerror or error}; no delivery can go out",
                    "Start it, open the way to it, or mend OUTBOUND_PROXY.")  # fmt: skip
    return ok("proxy", f"{there.place} accepts connections")
