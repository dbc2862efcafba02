"""Do an event's data, or its headers, answer to the terms of a search? It never looks at terms about columns.

Data is parsed once at most, and not at all where its bytes show that a path or a value isn't in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from operator import ge, gt, le, lt
from typing import Any, Final

import orjson

from hub.core.jsonbytes import BadJson, loads
from hub.insights.search_terms import TEXT, Op, Term, Value

_NOWHERE: Final = object()
_COMPARE: Final[dict[Op, Callable[[Any, Any], bool]]] = {Op.gt: gt, Op.ge: ge, Op.lt: lt, Op.le: le}
_LITERALS: Final = {"true": True, "false": False, "null": None}
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")
# Characters that have one spelling in JSON, \u escapes aside.
_ONE_SPELLING = re.compile(r'[^"\\/\x00-\x1f]+')
_ESCAPES = re.compile(r"(?:\\u[0-9a-fA-F]{4}|\\.)+", re.DOTALL)


def body_matches(terms: Iterable[Term], data: bytes) -> bool:
    """Does `data`, an event's JSON, answer to every term about a body and all free text? Others are passed over.

    A value is compared as a scalar: 42 is the number 42 (or 42.0) and the string "42", true the literal and the
    string; arrays and objects equal none. Integers beyond 64 bits are compared as doubles. `*` alone asks whether
    something is there, and null is. Data that can't be parsed, having a number beyond a double or more than 1,024
    levels, has no paths.

    Free text is found anywhere in the JSON's text, names of members too, in any case and however it is escaped;
    a pasted piece of JSON only if it has the same spaces.
    """
    return body_matcher(terms)(data)


def body_matcher(terms: Iterable[Term]) -> Callable[[bytes], bool]:
    """The same for many events: what can be prepared is prepared once."""
    mine = [term for term in terms if term.key in (TEXT, "body")]
    # Paths first: most data is told by its bytes to have none such.
    tests = [(_path_test(term), term.negated) for term in mine if term.key == "body"]
    tests += [(_text_test(term), term.negated) for term in mine if term.key == TEXT]

    def matches(data: bytes) -> bool:
        body = _Body(data)
        return all(test(body) is not negated for test, negated in tests)

    return matches


def headers_match(terms: Iterable[Term], headers: Iterable[tuple[str, str]]) -> bool:
    """Do the headers, (name, value), answer to every term about headers? Of a repeated one, any value may."""
    given: dict[str, list[str]] = {}
    for name, text in headers:
        given.setdefault(name.lower(), []).append(text)
    return all(
        any(_text_is(value, text) for value in term.values for text in given.get(term.path[0], ()))
        is not term.negated
        for term in terms
        if term.key == "header"
    )


class _Body:
    """Data in the forms that tests want, each made when the first one asks."""

    __slots__ = ("_document", "_folded", "_spelt", "raw")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self._folded: str | None = None
        self._spelt: str | None = None
        self._document: Any = None

    def escaped(self) -> bool:
        """May any character be written as \\u and four digits?"""
        # A search for one byte is many times faster than one for two.
        return b"\\" in self.raw and b"\\u" in self.raw

    def folded(self) -> str:
        if self._folded is None:
            self._folded = self.raw.decode("utf-8", "replace").casefold()
        return self._folded

    def spelt(self) -> str:
        """As `folded`, with each character spelt as orjson would; "" if it is so already."""
        if self._spelt is None:
            other = b"\\" in self.raw and (b"\\u" in self.raw or b"\\/" in self.raw)
            self._spelt = self._respelt().casefold() if other else ""
        return self._spelt

    def _respelt(self) -> str:
        try:
            return orjson.dumps(self.document()).decode()
        except orjson.JSONEncodeError:
            # Nothing to be parsed, or more than the 254 levels that are written. Ten times slower, but found.
            return _ESCAPES.sub(_respelt, self.raw.decode("utf-8", "replace"))

    def document(self) -> Any:
        """What the JSON says, or _NOWHERE if it can't be parsed."""
        if self._document is None:
            try:
                self._document = (loads(self.raw),)
            except BadJson:
                self._document = (_NOWHERE,)
        return self._document[0]

    def at(self, path: tuple[str, ...]) -> Any:
        """What stands there, or _NOWHERE."""
        found = self.document()
        for name in path:
            if isinstance(found, dict):
                found = found.get(name, _NOWHERE)
            elif isinstance(found, list) and _INDEX.fullmatch(name) and int(name) < len(found):
                found = found[int(name)]
            else:
                return _NOWHERE
        return found


def _respelt(escapes: re.Match[str]) -> str:
    try:
        return orjson.dumps(orjson.loads(f'"{escapes[0]}"'))[1:-1].decode()
    except orjson.JSONDecodeError:
        return escapes[0]


def _text_test(term: Term) -> Callable[[_Body], bool]:
    # As JSON spells it, for what stands in a string; and as it is, for pasted JSON.
    texts = [str(value.value) for value in term.values]
    needles = {text.casefold() for text in texts} | {
        orjson.dumps(text)[1:-1].decode().casefold() for text in texts
    }

    def found(body: _Body) -> bool:
        return any(needle in body.folded() for needle in needles) or any(
            needle in body.spelt() for needle in needles
        )

    return found


def _path_test(term: Term) -> Callable[[_Body], bool]:
    path = term.path
    tests = [_value_test(value) for value in term.values]
    names = [
        f'"{name}"'.encode() for name in path if _ONE_SPELLING.fullmatch(name) and not _INDEX.fullmatch(name)
    ]
    traces = [_trace(value) for value in term.values]
    hints = [trace for trace in traces if trace] if all(traces) else []

    def holds(body: _Body) -> bool:
        raw = body.raw
        missing = any(name not in raw for name in names) or (hints and not any(hint in raw for hint in hints))
        if missing and not body.escaped():
            return False
        found = body.at(path)
        return found is not _NOWHERE and any(test(found) for test in tests)

    return holds


def _trace(value: Value) -> bytes | None:
    """Bytes that are in any data with this value, \\u escapes aside; None if there are none certain to be."""
    text = str(value.value)
    if not _ONE_SPELLING.fullmatch(text):
        return None
    if value.op is Op.eq and not _NUMBER.fullmatch(text):
        return text.encode() if text in _LITERALS else f'"{text}"'.encode()
    # Numbers are written in many ways, so a beginning that one may have is no trace.
    return text.encode() if value.op is Op.prefix and text[0] not in "-0123456789" else None


def _value_test(value: Value) -> Callable[[Any], bool]:
    text = str(value.value)
    if value.op is Op.exists:
        return lambda found: True
    if value.op is Op.prefix:
        return lambda found: not isinstance(found, dict | list) and _scalar_text(found).startswith(text)
    number = _number(text)
    if compare := _COMPARE.get(value.op):
        return lambda found: _is_number(found) and compare(found, number)

    def equal(found: Any) -> bool:
        if isinstance(found, str):
            return found == text
        if found is None or isinstance(found, bool):
            return text in _LITERALS and found is _LITERALS[text]
        return number is not None and _is_number(found) and found == number

    return equal


def _text_is(value: Value, text: str) -> bool:
    if value.op is Op.exists:
        return True
    asked = str(value.value)
    return text.startswith(asked) if value.op is Op.prefix else text == asked


def _is_number(found: Any) -> bool:
    return isinstance(found, int | float) and not isinstance(found, bool)


def _scalar_text(found: Any) -> str:
    return found if isinstance(found, str) else orjson.dumps(found).decode()


def _number(text: str) -> int | float | None:
    try:
        return loads(text.encode()) if _NUMBER.fullmatch(text) else None
    except BadJson:
        return None
