"""What differs between two configurations, as a list of changes. Pure: it reads no row and holds no secret."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final

VERSION: Final = 1
MOST: Final = 10_000
"""Consumers, subscriptions and projections of one document."""


class Op(StrEnum):
    create = "create"
    update = "update"
    delete = "delete"


@dataclass(frozen=True, slots=True)
class Change:
    """`section` is one of SECTIONS; `key` names the item within it; `fields`: {name: [now, then]}."""

    op: Op
    section: str
    key: str
    fields: Mapping[str, list[Any]] = field(default_factory=dict)


class BadDocument(ValueError):
    """The document can't be meant; `where` is a JSON pointer, the message says what to change."""

    def __init__(self, where: str, sentence: str) -> None:
        self.where, self.sentence = where, sentence
        super().__init__(f"{where}: {sentence}")


def _subscription(item: Mapping[str, Any]) -> str:
    return f"{item.get('consumer') or ''}/{item.get('name') or item.get('url')}"


# In this order they are made; consumers before what belongs to them.
SECTIONS: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "consumers": lambda item: str(item.get("uid")),
    "projections": lambda item: str(item.get("pattern")),
    "subscriptions": _subscription,
}
FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "environment": ("capture",),
    "consumers": ("uid", "name", "metadata", "limits"),
    "projections": ("pattern", "semantics", "keys"),
    "subscriptions": (
        *("consumer", "name", "url", "patterns", "channels", "rate_limit", "rate_burst", "parallelism", "timeout_s"),
        *("ordering", "max_age_s", "retry_schedule", "capture", "metadata"),
    ),
}  # fmt: skip
_NEEDED: Final = {
    "consumers": ("uid",),
    "projections": ("pattern", "semantics"),
    "subscriptions": ("url", "patterns"),
}


def check(document: object) -> Mapping[str, Any]:
    """The document, if it may be compared. Raises BadDocument."""
    if not isinstance(document, Mapping):
        raise BadDocument("", "must be an object, as the export gives it")
    if document.get("version") != VERSION:
        raise BadDocument("/version", f"must be {VERSION}")
    if unknown := sorted(set(document) - {"version", "environment", *SECTIONS}):
        raise BadDocument(f"/{unknown[0]}", f"is no section; there are environment, {', '.join(SECTIONS)}")
    environment = document.get("environment", {})
    if not isinstance(environment, Mapping):
        raise BadDocument("/environment", "must be an object")
    _known("/environment", "environment", environment)
    if sum(len(document[name]) for name in SECTIONS if isinstance(document.get(name), Sequence)) > MOST:
        raise BadDocument("", f"has more than {MOST} items; divide it")
    for name in SECTIONS:
        _check_items(name, document.get(name, []))
    return document


def _check_items(name: str, items: object) -> None:
    if not isinstance(items, list):
        raise BadDocument(f"/{name}", "must be a list")
    for number, item in enumerate(items):
        where = f"/{name}/{number}"
        if not isinstance(item, Mapping):
            raise BadDocument(where, "must be an object")
        _known(where, name, item)
        for needed in _NEEDED[name]:
            if not item.get(needed):
                raise BadDocument(f"{where}/{needed}", "is needed")
    for key, count in Counter(map(SECTIONS[name], items)).items():
        if count > 1:
            raise BadDocument(f"/{name}", f"{key!r} is there {count} times; give each subscription of a consumer a name of its own"
                              if name == "subscriptions" else f"{key!r} is there {count} times")  # fmt: skip


def _known(where: str, section: str, item: Mapping[str, Any]) -> None:
    # What is sealed is named in an export, so that nobody forgets to set it; it is passed over here.
    for name in item:
        if name not in FIELDS[section] and name != "sealed":
            raise BadDocument(f"{where}/{name}", f"is not known here; known are {', '.join(FIELDS[section])}")


def diff(now: Mapping[str, Any], then: Mapping[str, Any], *, prune: bool = False) -> list[Change]:
    """What turns one into the other. A section or a field that `then` lacks stays as it is; with `prune`, an item of a section
    that it has and that isn't in it goes.
    """
    found = []
    if fields := _fields("environment", now.get("environment", {}), then.get("environment", {})):
        found.append(Change(Op.update, "environment", "", fields))
    gone: list[Change] = []
    for name, key in SECTIONS.items():
        if name not in then:
            continue
        there = {key(item): item for item in now.get(name, [])}
        wanted = {key(item): item for item in then[name]}
        for label, item in wanted.items():
            fields = _fields(name, there.get(label, {}), item)
            if label not in there:
                found.append(Change(Op.create, name, label, fields))
            elif fields:
                found.append(Change(Op.update, name, label, fields))
        if prune:
            gone += [Change(Op.delete, name, label) for label in there if label not in wanted]
    # What belongs to a consumer goes with it, so first the one and then the other.
    return [*found, *reversed(gone)]


def _fields(section: str, now: Mapping[str, Any], then: Mapping[str, Any]) -> dict[str, list[Any]]:
    return {
        name: [now.get(name), then[name]]
        for name in FIELDS[section]
        if name in then and (name not in now or now[name] != then[name])
    }


def digest(changes: Sequence[Change]) -> str:
    """What was shown is what is applied: the same changes have the same digest."""
    shown = [[change.op, change.section, change.key, change.fields] for change in changes]
    return sha256(json.dumps(shown, sort_keys=True, default=str).encode()).hexdigest()[:32]
