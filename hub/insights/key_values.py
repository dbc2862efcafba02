"""The values at declared key paths of an event's data, in the form in which they are indexed and looked up. It reads no row."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

import orjson

from hub.core.jsonbytes import BadJson, loads

MOST_PATHS: Final = 5
LONGEST_PATH: Final = 200
LONGEST_VALUE: Final = 256
"""Bytes; what is longer is not indexed, and found by searching on."""
_PATH = re.compile(r'[^\s":.\x00-\x1f]+(?:\.[^\s":.\x00-\x1f]+)*')
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_LITERALS: Final = ("true", "false", "null")
_NOWHERE: Final = object()


def check_paths(paths: object) -> list[str]:
    """What is wrong with declared paths; right are up to MOST_PATHS texts such as `customer.id`."""
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        return ["must be a list of paths, such as customer.id"]
    found = [f"{path[:60]!r} is not a path such as customer.id" for path in paths
             if len(path) > LONGEST_PATH or not _PATH.fullmatch(path)]  # fmt: skip
    if len(set(paths)) < len(paths):
        found.append("has a path twice")
    if len(paths) > MOST_PATHS:
        found.append(f"has {len(paths)} paths; at most {MOST_PATHS} are indexed")
    return found


def values_at(paths: Iterable[str], data: bytes) -> list[tuple[str, str]]:
    """(path, indexed value) of each path that holds a scalar. Data that can't be parsed has none."""
    try:
        document = loads(data)
    except BadJson:
        return []
    found = []
    for path in paths:
        value = _at(document, path)
        if value is not _NOWHERE and not isinstance(value, dict | list):
            text = indexed(value)
            if len(text.encode("utf-8", "surrogatepass")) <= LONGEST_VALUE:
                found.append((path, text))
    return found


def indexed(value: Any) -> str:
    """A scalar as the index holds it: what the search language calls equal is the same text."""
    if isinstance(value, str):
        return f"s{value}"
    if value is None or isinstance(value, bool):
        return f"l{_LITERALS[2] if value is None else _LITERALS[not value]}"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        value = int(value)
    return f"n{orjson.dumps(value).decode()}"


def sought(text: str) -> list[str]:
    """What the index may hold for a value that is asked for by this text: 42 means the number and the string."""
    found = [f"s{text}"]
    if text in _LITERALS:
        found.append(f"l{text}")
    elif _NUMBER.fullmatch(text):
        try:
            found.append(indexed(loads(text.encode())))
        except BadJson:
            return found
    return found


def _at(document: Any, path: str) -> Any:
    for name in path.split("."):
        if isinstance(document, dict):
            document = document.get(name, _NOWHERE)
        elif isinstance(document, list) and _INDEX.fullmatch(name) and int(name) < len(document):
            document = document[int(name)]
        else:
            return _NOWHERE
    return document
