"""What each word of a search asks for: its key, and where in a body or a header. It never cuts or joins text."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from hub.core.problems import closest
from hub.insights.search_terms import COLUMNS, ID, ID_SHAPE, PATHS, TEXT, TIMES, Op, Term, Value
from hub.insights.search_values import RULES, identifier, moment
from hub.insights.search_words import BadSearch, Word, segments

KEYS: Final = (*COLUMNS, *TIMES, *PATHS, ID)
KEY_ALIASES: Final = {"subscription": "sub", "reason": "code", "until": "before"}
"""The words of the API for what is shorter here."""

# A token of RFC 9110, 5.6.2.
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


def term_of(word: Word, *, now: datetime) -> Term:
    """BadSearch if the key or a value is not known. Keys may be in any case, paths of a body may not."""
    if word.key is None:
        return _free(word)
    name, dot, rest = word.key.partition(".")
    key = name.lower()
    key = KEY_ALIASES.get(key, key)
    if key not in KEYS or (dot and key not in PATHS):
        raise _unknown(word, name)
    if key in TIMES:
        return _time(word, key, now)
    path = _path(word, key, rest) if key in PATHS else ()
    found = (value for piece in word.pieces for value in RULES[key](piece))
    return Term(key, tuple(dict.fromkeys(found)), word.negated, path)


def _free(word: Word) -> Term:
    piece = word.pieces[0]
    if not piece.quoted and ID_SHAPE.fullmatch(piece.text):
        return Term(ID, identifier(piece), word.negated)
    return Term(TEXT, (Value(Op.eq, piece.text),), word.negated)


def _unknown(word: Word, name: str) -> BadSearch:
    if not name:
        return word.refuse("a key is missing before the colon; put text with a colon in quotes")
    if name.lower() in (*KEYS, *KEY_ALIASES):
        return word.refuse(f"{name} has no parts; only body and header take a dot")
    guess = closest(name.lower(), (*KEYS, *KEY_ALIASES))
    known = "" if guess else f"; use one of {', '.join(KEYS)}, or put text with a colon in quotes"
    return word.refuse(f"{name!r} is no key to search by{known}", suggestion=guess)


def _time(word: Word, key: str, now: datetime) -> Term:
    if word.negated:
        other = "before" if key == "since" else "since"
        raise word.refuse(f"{key} can't be negated; use {other}")
    if len(word.pieces) > 1:
        raise word.pieces[1].refuse(f"{key} takes one moment only")
    op = Op.ge if key == "since" else Op.lt
    return Term(key, (Value(op, moment(word.pieces[0], key=key, now=now)),))


def _path(word: Word, key: str, rest: str) -> tuple[str, ...]:
    if key == "header":
        if not _HEADER.fullmatch(rest):
            raise word.refuse("header needs the name of one, such as header.x-request-id")
        return (rest.lower(),)
    path = segments(f".{rest}")
    if not path:
        raise word.refuse(
            'body needs a path such as body.items.0.sku; names with dots or spaces go in quotes: body."a b"'
        )
    return path
