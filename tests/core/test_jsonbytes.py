"""JSON is read strictly, and text is refused rather than mended."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from hub.core.jsonbytes import BadJson, BadText, clean_text, dumps, loads


def test_bytes_are_read_and_written() -> None:
    assert loads(dumps({"a": [1, None, "é"]})) == {"a": [1, None, "é"]}
    assert dumps({"at": datetime(2024, 1, 2, tzinfo=UTC)}) == b'{"at":"2024-01-02T00:00:00Z"}'


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"NaN",
        b'{"a":1}x',
        b'"\\ud800"',
        b'"\xff"',
        b'"\x00"',
        b"[" * 5000,
        b"{'a':1}",
        b"\xef\xbb\xbf{}",
    ],
)
def test_what_is_not_json_is_refused(raw: bytes) -> None:
    with pytest.raises(BadJson):
        loads(raw)


def test_a_refusal_says_where() -> None:
    with pytest.raises(BadJson) as caught:
        loads(b'{\n  "a": ?}')
    assert (caught.value.line, caught.value.column) == (2, 8)


def test_good_text_stays_as_it_is() -> None:
    assert clean_text("Zoë 🦊", name="name", max_length=5) == "Zoë 🦊"


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (7, "name must be a text, not int"),
        ("abcdef", "name has 6 characters; at most 5 are allowed"),
        ("a\x00", r"control character \(U\+0000\) at position 2"),
        ("a\nb", r"control character \(U\+000A\) at position 2"),
        ("\x85", r"control character \(U\+0085\)"),
        ("\ud800", "half of a surrogate pair"),
    ],
)
def test_bad_text_is_refused_with_a_sentence(value: object, sentence: str) -> None:
    with pytest.raises(BadText, match=sentence):
        clean_text(value, name="name", max_length=5)
