"""The one log format: what is kept of a record, and what is blotted out."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.signing import new_keypair, new_secret
from hub.ops import logs

ROOT = Path(__file__).resolve().parents[2]
KEY = "tl_live_" + "A1b2C3d4E5" * 4 + "xyz"


def line(message: str, *args: object, **more: object) -> dict[str, object]:
    record = logging.getLogger("hub.test").makeRecord(
        "hub.test", logging.WARNING, "f.py", 1, message, args, None, extra=more or None
    )
    text = logs.JsonFormatter().format(record)
    assert "\n" not in text
    document: dict[str, object] = json.loads(text)
    return document


def test_a_record_is_one_json_object() -> None:
    found = line("%d events", 3)
    assert str(found.pop("at")).endswith("Z")
    assert found == {"level": "WARNING", "logger": "hub.test", "message": "3 events"}


def test_ids_and_numbers_are_kept_and_other_extras_are_not() -> None:
    found = line(
        "x", event="evt_1", tenant=7, retry_s=0.5, trace="00-ab", payload={"card": 4}, body="secret", env=None
    )
    assert {k: found[k] for k in ("event", "tenant", "retry_s", "trace")} == {
        "event": "evt_1",
        "tenant": 7,
        "retry_s": 0.5,
        "trace": "00-ab",
    }
    assert not found.keys() & {"payload", "body", "env"}


def test_an_extra_can_not_replace_the_message() -> None:
    assert line("real", level="x")["level"] == "WARNING"


def test_an_exception_is_one_text_without_secrets() -> None:
    try:
        raise ValueError("postgresql://hub:hunter2@db/x")
    except ValueError:
        record = logging.getLogger("x").makeRecord("x", logging.ERROR, "f", 1, "failed", (), sys.exc_info())
    found = json.loads(logs.JsonFormatter().format(record))
    assert found["exception"].startswith("Traceback")
    assert found["exception"].endswith("ValueError: postgresql://[redacted]@db/x")


def test_a_wrong_format_string_costs_no_line() -> None:
    assert "%d" in str(line("%d %d", 1)["message"])


def test_what_is_no_unicode_is_written_all_the_same() -> None:
    assert line("\udcff")["message"] == "\\udcff"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        pytest.param(f"secret is {new_secret()}.", "secret is whsec_[redacted].", id="a signing secret"),
        pytest.param(new_keypair()[0], "whsk_[redacted]", id="a private key"),
        (f"key {KEY} was used", "key tl_live_[redacted] was used"),
        ("tl_test_A1b2C3 is its prefix", "tl_test_A1b2C3 is its prefix"),
        ("Authorization: Bearer abc.def-123", "Authorization: [redacted]"),
        ("authorization: Basic dXNlcjpwYXNz\r\nhost: x", "authorization: [redacted]\r\nhost: x"),
        ("(b'authorization', b'Bearer abc')", "(b'authorization', b'[redacted]')"),
        ("{'Cookie': 'sessionid=1; csrftoken=2'}", "{'Cookie': '[redacted]'}"),
        ("got Bearer abcdef0123456789", "got Bearer [redacted]"),
        ("amqp://guest:guest@mq:5672//", "amqp://[redacted]@mq:5672//"),
        ("redis://:pw@h/0 and http://h/a@b", "redis://[redacted]@h/0 and http://h/a@b"),
        ("host=db password=hunter2 dbname=x", "host=db password=[redacted] dbname=x"),
        ('{"token": "abc", "id": 1}', '{"token": "[redacted]", "id": 1}'),
        ("POST https://h/in?token=abc&x=1", "POST https://h/in?token=[redacted]&x=1"),
        ("a basic subscription, the bearer is unknown", "a basic subscription, the bearer is unknown"),
        ("took over 64 shards, now 64", "took over 64 shards, now 64"),
    ],
)
def test_secrets_are_blotted_out(text: str, left: str) -> None:
    assert logs.redact(text) == left


@given(st.text(max_size=20), st.text(max_size=20))
def test_a_secret_is_found_wherever_it_stands(before: str, after: str) -> None:
    secret = "whsec_" + "QUJD" * 8
    assert secret not in logs.redact(f"{before}{secret}{after}")


def test_a_process_logs_json_to_stderr_warnings_too() -> None:
    code = (
        "import logging, warnings; from hub.ops import logs; logs.configure('INFO'); logs.configure('INFO');"
        "logging.getLogger('a').info('one', extra={'event': 'evt_1'}); logging.getLogger('a').debug('no');"
        "warnings.warn('two')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    lines = [json.loads(text) for text in done.stderr.splitlines()]
    assert done.stdout == ""
    assert [(x["logger"], x["level"], x.get("event")) for x in lines] == [
        ("a", "INFO", "evt_1"),
        ("py.warnings", "WARNING", None),
    ]
