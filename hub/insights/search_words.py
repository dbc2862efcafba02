"""Cuts a search into words: `-`, a key up to its colon, values between `,` or `|`, quotes.

It knows no key and never judges a value: only where each thing begins and ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

MAX_LENGTH: Final = 1000
MAX_WORDS: Final = 30

_INSIDE = r'(?:[^"\\]|\\["\\])*'
_SPACE = re.compile(r"\s*")
_WORD = re.compile(r'[^\s"]*')
# A key is followed by a colon; quotes may stand in it after a dot only: body."a b".c
_KEY = re.compile(rf'(?:[^\s":.]|\.(?:"{_INSIDE}")?)*(?=:)')
_SEGMENT = re.compile(rf'\.(?:"({_INSIDE})"|([^."]+))')
_SEGMENTS = re.compile(rf'(?:\.(?:"{_INSIDE}"|[^."]+))+')
_SIGN = re.compile(r"(?:[<>]=?)?")
_VALUE = re.compile(r'[^\s",|]*')
_OPENED = re.compile(f'"{_INSIDE}')
_ESCAPE = re.compile(r"\\(.)")
_UNREADABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


class BadSearch(ValueError):
    """The text is no search. The message says what to change; `start` and `end` count its code points.

    `suggestion` is the word that was probably meant, or None.
    """

    def __init__(self, sentence: str, *, start: int, end: int, suggestion: str | None = None) -> None:
        super().__init__(f"{sentence}. Did you mean {suggestion}?" if suggestion else sentence)
        self.sentence = sentence
        self.start = start
        self.end = end
        self.suggestion = suggestion


@dataclass(frozen=True, slots=True)
class Piece:
    """One value as written: without its quotes, its sign (`>`, `>=`, `<`, `<=` or "") and its last `*`."""

    text: str
    start: int
    end: int
    sign: str = ""
    star: bool = False
    quoted: bool = False

    def refuse(self, sentence: str, *, suggestion: str | None = None) -> BadSearch:
        return BadSearch(sentence, start=self.start, end=self.end, suggestion=suggestion)


@dataclass(frozen=True, slots=True)
class Word:
    """What stands between spaces. `key` is as written, from `key_start` on; None for free text, of one piece."""

    key: str | None
    pieces: tuple[Piece, ...]
    negated: bool
    start: int
    end: int
    key_start: int

    def refuse(self, sentence: str, *, suggestion: str | None = None) -> BadSearch:
        """The error that underlines the key, or the whole word where there is none."""
        end = self.end if self.key is None else self.key_start + max(1, len(self.key))
        return BadSearch(sentence, start=self.key_start, end=end, suggestion=suggestion)


def words(text: str) -> tuple[Word, ...]:
    """The words of a search in order; BadSearch for what can't be cut."""
    if len(text) > MAX_LENGTH:
        sentence = f"the search has {len(text)} characters; at most {MAX_LENGTH} are allowed"
        raise BadSearch(sentence, start=MAX_LENGTH, end=len(text))
    if found := _UNREADABLE.search(text):
        sentence = f"U+{ord(found[0]):04X} is no character to search for; remove it"
        raise BadSearch(sentence, start=found.start(), end=found.end())
    cut = tuple(_cut(text))
    if len(cut) > MAX_WORDS:
        sentence = f"the search has {len(cut)} terms; at most {MAX_WORDS} are allowed"
        raise BadSearch(sentence, start=cut[MAX_WORDS].start, end=cut[-1].end)
    return cut


def segments(path: str) -> tuple[str, ...]:
    """The segments of a path, each after its dot: ("a b", "c") of `."a b".c`; () if it is malformed."""
    if not _SEGMENTS.fullmatch(path):
        return ()
    return tuple(
        found[2] if found[1] is None else _ESCAPE.sub(r"\1", found[1]) for found in _SEGMENT.finditer(path)
    )


def quoted(text: str) -> str:
    """The text in quotes, so that it is read back as it is."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _cut(text: str) -> Iterator[Word]:
    at = _past(_SPACE, text, 0)
    while at < len(text):
        start, negated = at, text[at] == "-"
        at += negated
        if at == len(text) or text[at].isspace():
            raise BadSearch(
                "nothing stands after the -; put it before what to leave out", start=start, end=at
            )
        key = _KEY.match(text, at)
        pieces = tuple(_values(text, key.end() + 1)) if key else (_free(text, at),)
        end = pieces[-1].end
        yield Word(key[0] if key else None, pieces, negated, start, end, at)
        at = _past(_SPACE, text, end)


def _free(text: str, at: int) -> Piece:
    if text[at] == '"':
        inside, end = _unquoted(text, at)
        if end < len(text) and not text[end].isspace():
            raise BadSearch("a space is missing after the closing quote", start=at, end=end + 1)
        if not inside:
            raise BadSearch("nothing stands between the quotes", start=at, end=end)
        return Piece(inside, at, end, quoted=True)
    end = _past(_WORD, text, at)
    _refuse_quote(text, at, end)
    return Piece(text[at:end], at, end)


def _values(text: str, at: int) -> Iterator[Piece]:
    while True:
        piece = _value(text, at)
        yield piece
        if text[piece.end : piece.end + 1] not in (",", "|"):
            return
        at = piece.end + 1


def _value(text: str, start: int) -> Piece:
    at = _past(_SIGN, text, start)
    sign = text[start:at]
    if text[at : at + 1] == '"':
        inside, end = _unquoted(text, at)
        star = text[end : end + 1] == "*"
        end += star
        if end < len(text) and text[end] not in ",|" and not text[end].isspace():
            sentence = "after the closing quote may stand a space, or a comma and another value"
            raise BadSearch(sentence, start=start, end=end + 1)
        return Piece(inside, start, end, sign, star, quoted=True)
    end = _past(_VALUE, text, at)
    _refuse_quote(text, start, end)
    inside = text[at:end]
    if not inside:
        sentence = f"nothing stands after the {text[at - 1]}; write a value, in quotes if it has spaces"
        raise BadSearch(sentence, start=max(0, at - 1), end=end)
    star = inside[-1] == "*"
    return Piece(inside[:-1] if star else inside, start, end, sign, star)


def _past(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at


def _refuse_quote(text: str, start: int, end: int) -> None:
    if text[end : end + 1] == '"':
        _unquoted(text, end)
        sentence = 'a quote stands inside a word; put the whole word in quotes, and \\" for a quote in it'
        raise BadSearch(sentence, start=start, end=end + 1)


def _unquoted(text: str, at: int) -> tuple[str, int]:
    """What stands in the quotes that open at `at`, and where they have ended."""
    end = _past(_OPENED, text, at)
    if text[end : end + 1] == '"':
        return _ESCAPE.sub(r"\1", text[at + 1 : end]), end + 1
    if end + 1 < len(text):
        sentence = f'{text[end : end + 2]} is no escape; between quotes write \\" and \\\\ only'
        raise BadSearch(sentence, start=end, end=end + 2)
    raise BadSearch("the quote is not closed", start=at, end=len(text))
