"""The one log format: a JSON object a line, for Django, uvicorn and Celery alike. It never writes a payload
or a secret: text extras are taken by name from a short list, and what looks like a secret is blotted out.
"""

from __future__ import annotations

import logging
import logging.config
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import orjson

# Ids that a person searches for. Other extras are kept only if they are numbers: text could be anything.
_IDS: Final = ("tenant", "env", "consumer", "event", "subscription", "delivery", "attempt", "run", "trace")
NAMED: Final = frozenset({*_IDS, "shard", "engine", "request_id", "reason", "command"})
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_BLOT: Final = "[redacted]"
_RULES: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (re.compile(r"(whsec|whsk)_[A-Za-z0-9+/=_-]+"), rf"\1_{_BLOT}"),
    (re.compile(r"(tl_(?:live|test)_)[0-9A-Za-z]{7,}"), rf"\1{_BLOT}"),
    (
        re.compile(
            r"(?i)\b((?:proxy-)?authorization|cookie|set-cookie)([\"']?\s*[:=,]\s*(?:b(?=[\"']))?[\"']?)[^\r\n\"']+"
        ),
        rf"\1\2{_BLOT}",
    ),
    (re.compile(r"(?i)\b(bearer|basic)\s+(?=[^\s]*[0-9=._~+/-])[A-Za-z0-9._~+/=-]{8,}"), rf"\1 {_BLOT}"),
    (
        re.compile(r"(?i)\b(password|passwd|secret|token|api_?key)([\"']?\s*[=:]\s*[\"']?)[^\s\"'&,;)]+"),
        rf"\1\2{_BLOT}",
    ),
    (re.compile(r"(://)[^/\s\"'<>]*@"), rf"\1{_BLOT}@"),
)


def redact(text: str) -> str:
    """Without signing secrets, API keys, Authorization values, cookies, passwords and URL userinfo."""
    for pattern, put in _RULES:
        text = pattern.sub(put, text)
    return text


class JsonFormatter(logging.Formatter):
    """`{"at", "level", "logger", "message"}`, the extras that may be shown, and `exception` as one text."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": redact(_message(record)),
        }
        for name, value in vars(record).items():
            if name in _STANDARD or name in line or value is None:
                continue
            if isinstance(value, bool | int | float):
                line[name] = value if abs(value) < 2**63 else str(value)
            elif name in NAMED:
                line[name] = redact(str(value))
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = redact(self.formatException(record.exc_info))
        if record.stack_info:
            line["stack"] = redact(record.stack_info)
        return orjson.dumps(_encodable(line)).decode()


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError) as error:
        # A wrong format string must not cost the line.
        return f"{record.msg!r} % {record.args!r} ({error})"


def _encodable(line: Mapping[str, Any]) -> dict[str, Any]:
    # A lone surrogate (from surrogateescape) can't be written as UTF-8.
    return {
        key: value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value
        for key, value in line.items()
    }


def no_probe(record: logging.LogRecord) -> bool:
    """A probe's 503 is an answer, and comes every second; what is wrong is logged where it is found."""
    return getattr(getattr(record, "request", None), "path", "") != "/readyz"


def configuration(level: str) -> dict[str, Any]:
    """For logging.config.dictConfig: everything to stderr, since stdout belongs to what commands print."""
    tasks = level if level in ("DEBUG", "ERROR") else "WARNING"
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "hub.ops.logs.JsonFormatter"}},
        "filters": {"no_probe": {"()": lambda: no_probe}},
        "handlers": {
            "out": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}
        },
        "root": {"handlers": ["out"], "level": level},
        "loggers": {
            "django.request": {"filters": ["no_probe"]},
            # It says "Started", "Waiting", "Finished" for every process: noise at INFO.
            "uvicorn.error": {"level": "WARNING"},
            "uvicorn.access": {"level": "WARNING"},
            # Three lines for every task that beat sends, every two seconds; what fails is an error.
            **{f"celery.{name}": {"level": tasks} for name in ("beat", "worker.strategy", "app.trace")},
            # httpx writes whole URLs at INFO.
            "httpx": {"level": "WARNING"},
            "httpcore": {"level": "WARNING"},
        },
    }


def configure(level: str) -> None:
    """Set up the whole process; may be called again. Warnings become log lines too."""
    logging.config.dictConfig(configuration(level))
    logging.captureWarnings(True)
