"""Seals stored values anew under the first key of the keyring, after a change of keys. Never changes what
a value says, and never shows one.

Why a row's version, `updated_at` and generation stay as they are: the secret is the same, so nothing changed that
a delivery or a person could tell apart. An engine that loaded the old bytes opens them with the keyring it read at
its start, which has the old key until the process starts again; and a process that starts without the old key reads
all rows anew. Counting a new generation would only make every engine reload subscriptions for nothing, and the
steps of routing would tell of a change that nobody made.

Safe beside a hub that serves, beside a second run, and to be stopped anywhere: a row is locked, read again under
that lock, and written only if it still has another key's value.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import OperationalError, connection, transaction
from django.db.models import Model
from psycopg.errors import LockNotAvailable

from hub.core.sealing import Keyring, MalformedToken, SealError, key_of

BATCH = 200
LOCK_WAIT_MS = 5000
NO_KEY = "?"
"""Stands for the key's id where the value is not a sealed one at all."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A column of sealed values. A package lists its own as SEALED in its module `sealed`.

    `needs` are the fields its context is made of, which never change in a row; `context` gets their values, and
    `shown` the row's number and those values, to name a row to people without what it holds.
    """

    kind: str
    model: type[Model]
    column: str
    needs: tuple[str, ...]
    context: Callable[..., bytes]
    shown: Callable[..., str]


@dataclass(frozen=True, slots=True)
class Census:
    """The stored values of one kind by the id of their key; `older` of them open, but with another key than the
    first, and `broken` open with none, as (row, why).
    """

    kind: str
    keys: Counter[str]
    older: int
    broken: list[tuple[str, str]]


def census(column: Sealed, *, ring: Keyring) -> Census:
    """Opens every value and counts; changes nothing."""
    keys: Counter[str] = Counter()
    older = 0
    broken = []
    for rows in _batches(column, BATCH):
        for pk, sealed, *needs in rows:
            token = _token(sealed)
            keys[_key(token)] += 1
            try:
                ring.open(token, context=column.context(*needs))
                older += ring.needs_rotation(token)
            except SealError as error:
                broken.append((column.shown(pk, *needs), str(error)))
    return Census(column.kind, keys, older, broken)


def reseal(column: Sealed, *, ring: Keyring, batch: int = BATCH) -> Counter[str]:
    """Seal anew what another key sealed; how many values, by the id of their old key.

    What no key opens, and what stays in use for longer than LOCK_WAIT_MS, is left as it is: see `census` afterwards.
    """
    moved: Counter[str] = Counter()
    in_use: dict[int, bytes] = {}
    for rows in _batches(column, batch):
        contexts = {
            pk: column.context(*needs) for pk, sealed, *needs in rows if _key(_token(sealed)) != ring.current
        }
        if contexts:
            by_key, seen = _renew(column, ring, contexts, wait=False)
            moved += by_key
            in_use |= {pk: context for pk, context in contexts.items() if pk not in seen}
    # One at a time: who holds a single lock can wait for it without holding up anybody else in a circle.
    for pk, context in in_use.items():
        try:
            moved += _renew(column, ring, {pk: context}, wait=True)[0]
        except OperationalError as error:
            # Still in use: the census that follows counts it under its old key.
            if not isinstance(error.__cause__, LockNotAvailable):
                raise
    return moved


def _renew(
    column: Sealed, ring: Keyring, contexts: Mapping[int, bytes], *, wait: bool
) -> tuple[Counter[str], set[int]]:
    """One transaction: (sealed anew by old key, rows that could be locked)."""
    moved: Counter[str] = Counter()
    manager = column.model._default_manager
    with transaction.atomic():
        if wait:
            with connection.cursor() as cursor:
                cursor.execute("select set_config('lock_timeout', %s, true)", [f"{LOCK_WAIT_MS}ms"])
        locked = list(
            manager.filter(pk__in=list(contexts))
            .select_for_update(no_key=True, skip_locked=not wait)
            .order_by("pk")
            .values_list("pk", column.column)
        )
        renewed = []
        for pk, sealed in locked:
            token = "" if sealed is None else _token(sealed)
            if _key(token) in (ring.current, NO_KEY):
                continue
            try:
                anew = ring.reseal(token, context=contexts[pk])
            except SealError:
                continue  # The census names it.
            renewed.append(column.model(pk=pk, **{column.column: anew.encode("ascii")}))
            moved[_key(token)] += 1
        if renewed:
            manager.bulk_update(renewed, [column.column])
    return moved, {pk for pk, _ in locked}


def _batches(column: Sealed, size: int) -> Iterator[list[tuple[Any, ...]]]:
    """(id, sealed, *needs) of all rows that have a value, by ascending id."""
    last = 0
    rows = column.model._default_manager.exclude(**{column.column: None}).order_by("pk")
    while found := list(rows.filter(pk__gt=last).values_list("pk", column.column, *column.needs)[:size]):
        yield found
        last = found[-1][0]


def _token(sealed: bytes | memoryview) -> str:
    # Any byte is a character of it, so that a damaged value is told as such.
    return bytes(sealed).decode("latin-1")


def _key(token: str) -> str:
    try:
        return key_of(token)
    except MalformedToken:
        return NO_KEY
