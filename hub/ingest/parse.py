"""What a request to take events must look like, and what it becomes. Pure: it decides nothing about who may send.

The sender's `data` is never re-serialised: msgspec checks it and hands over the very bytes, so numbers keep their digits.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, TypeVar

import msgspec

from hub.core.jsonbytes import BadJson, BadText, clean_text, loads
from hub.core.problems import Problem, ProblemError, closest, problem
from hub.subscriptions.patterns import BadPattern, is_reserved, validate_type

EVENT_BYTES = 256 * 1024
BATCH_EVENTS = 1000
BATCH_BYTES = 8 * 1024 * 1024
CHANNELS = 16

_CHANNEL = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_UNKNOWN = re.compile(r"unknown field `([^`]*)`")
_PATH = re.compile(r" - at `\$(.*)`$")
_HALVES = re.compile(
    rb"(?P<keep>\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)
_T = TypeVar("_T")
_types: dict[str, bool] = {}


class EventIn(msgspec.Struct, forbid_unknown_fields=True):
    """The members of an event as a client posts it."""

    type: str
    data: msgspec.Raw
    id: str | None = None
    source: str | None = None
    subject: str | None = None
    time: datetime | None = None
    consumer: str | None = None
    channels: list[str] | None = None
    idempotency_key: str | None = None


class BatchIn(msgspec.Struct, forbid_unknown_fields=True):
    events: list[msgspec.Raw]


_event = msgspec.json.Decoder(EventIn)
_batch = msgspec.json.Decoder(BatchIn)
_array = msgspec.json.Decoder(list[msgspec.Raw])
MEMBERS = EventIn.__struct_fields__


def bad_json(error: msgspec.DecodeError | UnicodeDecodeError) -> ProblemError:
    return ProblemError(problem("bad-request", f"The body is not valid JSON: {error}."))


def invalid(pointer: str, detail: str) -> ProblemError:
    return ProblemError(problem("invalid", detail, errors=[{"pointer": pointer, "detail": detail}]))


def _shape_error(error: msgspec.ValidationError, members: tuple[str, ...]) -> ProblemError:
    text = str(error)
    if found := _UNKNOWN.search(text):
        guess = closest(found[1], members)
        hint = f" Did you mean {guess}?" if guess else f" Known members: {', '.join(members)}."
        return ProblemError(
            problem("unknown-parameter", f"The body has an unknown member {found[1]!r}.{hint}",
                    errors=[{"pointer": f"/{found[1]}", "detail": "unknown member"}])
        )  # fmt: skip
    path = _PATH.search(text)
    pointer = path[1].replace(".", "/").replace("[", "/").replace("]", "") if path else ""
    return invalid(pointer, _PATH.sub("", text) + ".")


def _masked(raw: bytes) -> bytes | None:
    """The same bytes with halves of surrogate pairs turned into U+0000, so that only the item that holds one is refused."""
    if b"\\ud" not in raw and b"\\uD" not in raw:
        return None

    def mask(found: re.Match[bytes]) -> bytes:
        return found[0] if found["keep"] is not None else b"\\u0000"

    return _HALVES.sub(mask, raw)


def _decode(decoder: msgspec.json.Decoder[_T], raw: bytes | msgspec.Raw) -> _T:
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        masked = _masked(bytes(raw))
        if masked is None:
            raise bad_json(error) from None
    try:
        return decoder.decode(masked)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise bad_json(error) from None


def decode_event(raw: bytes | msgspec.Raw) -> EventIn:
    """One event, checked member by member. Raises ProblemError (400, 413, 422) with a pointer and a sentence."""
    try:
        event = _decode(_event, raw)
    except msgspec.ValidationError as error:
        raise _shape_error(error, MEMBERS) from None
    check(event)
    return event


def check(event: EventIn) -> None:
    """The rules a type can't express; refuses what PostgreSQL or a receiver could not hold."""
    if event.type not in _types:
        _check_type(event.type)
    data = event.data
    size = memoryview(data).nbytes
    if size > EVENT_BYTES:
        raise ProblemError(
            problem("payload-too-large", f"data has {size} bytes; an event may have {EVENT_BYTES}.")
        )
    _check_data(bytes(data))
    try:
        if event.subject is not None:
            clean_text(event.subject, name="subject", max_length=256)
        if event.source is not None:
            clean_text(event.source, name="source", max_length=512)
        if event.id is not None:
            clean_text(event.id, name="id", max_length=256)
        if event.consumer is not None:
            clean_text(event.consumer, name="consumer", max_length=128)
        if event.idempotency_key is not None:
            clean_text(event.idempotency_key, name="idempotency_key", max_length=255)
    except BadText as error:
        raise invalid(f"/{str(error).split()[0]}", f"{error}.") from None
    if event.time is not None and event.time.tzinfo is None:
        raise invalid("/time", "time needs an offset, such as 2026-01-31T12:00:00Z.")
    if event.channels is not None:
        if len(event.channels) > CHANNELS:
            raise invalid(
                "/channels", f"channels has {len(event.channels)} entries; at most {CHANNELS} are allowed."
            )
        for channel in event.channels:
            if not _CHANNEL.fullmatch(channel):
                raise invalid("/channels", f"{channel!r} is no channel: use 1 to 64 of A-Z a-z 0-9 _ . : -")


def _check_type(text: str) -> None:
    try:
        validate_type(text)
    except BadPattern as error:
        raise invalid("/type", f"{error}") from None
    if is_reserved(text):
        raise invalid("/type", f"{text} can't be posted: types that begin with hub. are the hub's own.")
    if len(_types) < 10_000:
        _types[text] = True


def _check_data(data: bytes) -> None:
    # The scan is a memory search; only what might hold a bad escape, or bytes outside ASCII, is read in full.
    if data.isascii():
        if b"\\" not in data:
            return
        if b"\\ud" not in data and b"\\uD" not in data and b"\\u0000" not in data:
            return
    else:
        try:
            data.decode()
        except UnicodeDecodeError as error:
            raise invalid("/data", f"data is not UTF-8: byte {error.start} can't be read.") from None
        if b"\\ud" not in data and b"\\uD" not in data and b"\\u0000" not in data:
            return
    try:
        loads(data)
    except BadJson as error:
        raise invalid("/data", f"data holds text that is no complete Unicode: {error}.") from None
    if _has_nul(data):
        raise invalid(
            "/data",
            "data holds the character U+0000, or half of a surrogate pair, which can't be stored; remove it.",
        )


def _has_nul(data: bytes) -> bool:
    at = data.find(b"\\u0000")
    while at >= 0:
        before = at
        while before > 0 and data[before - 1 : before] == b"\\":
            before -= 1
        if (at - before) % 2 == 0:
            return True
        at = data.find(b"\\u0000", at + 1)
    return False


def decode_batch(raw: bytes, *, bare: bool = False) -> list[msgspec.Raw]:
    """The items of a batch, each still to be decoded. `bare`: the body is the array itself (CloudEvents batch)."""
    try:
        items = _decode(_array, raw) if bare else _decode(_batch, raw).events
    except msgspec.ValidationError as error:
        raise _shape_error(error, ("events",)) from None
    if not 1 <= len(items) <= BATCH_EVENTS:
        raise invalid("/events", f"a batch has 1 to {BATCH_EVENTS} events; this one has {len(items)}.")
    return items


def traceparent(value: bytes | None) -> str | None:
    """A W3C traceparent, or None when absent or malformed (the specification says to ignore it then)."""
    if value is None:
        return None
    text = value.decode("latin-1").strip().lower()
    return (
        text if _TRACEPARENT.fullmatch(text) and text[3:35] != "0" * 32 and text[36:52] != "0" * 16 else None
    )


def idempotency(event: EventIn, *, header: str | None, raw: bytes) -> tuple[bytes, bytes] | tuple[None, None]:
    """(key, body hash), 16 bytes each: by Idempotency-Key, else by the client's (source, id); else (None, None)."""
    name = event.idempotency_key if event.idempotency_key is not None else header
    if name is not None:
        text = f"k\0{name}"
    elif event.id is not None:
        text = f"i\0{event.source or ''}\0{event.id}"
    else:
        return None, None
    return blake2b(text.encode(), digest_size=16).digest(), blake2b(raw, digest_size=16).digest()


def seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.astimezone(UTC).timestamp()


def refusal(item: Problem, *, index: int) -> dict[str, Any]:
    """One item of a batch's answer that was refused."""
    return {"status": item.status, "error": item.body(request_id="", instance=f"/events/{index}")}
